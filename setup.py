"""What setup.cfg cannot say: the card templates lie in `hub_cards/` and are installed as `hf_xner/hub_cards/`."""

from setuptools import find_namespace_packages, setup

CARDS = "hf_xner.hub_cards"

setup(
    packages=[*find_namespace_packages(include=["hf_xner", "hf_xner.*"]), CARDS],
    package_dir={CARDS: "hub_cards"},
)
