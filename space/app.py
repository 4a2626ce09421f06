"""The demo of hf_xner as a Space; which models it shows is said by the variable HF_XNER_DEMO_MODELS."""

from hf_xner.demo.serve import serve

if __name__ == "__main__":
    serve()
