"""Languages and entity types of the corpora that have many."""

from __future__ import annotations


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


WIKIANN_LANGUAGES = _words(
    "ace af als am an ang ar arc arz as ast ay az ba bar bat-smg be be-x-old bg bh bn bo br bs ca cbk-zam cdo ce",
    "ceb ckb co crh cs csb cv cy da de diq dv el eml en eo es et eu ext fa fi fiu-vro fo fr frr fur fy ga gan gd gl",
    "gn gu hak he hi hr hsb hu hy ia id ig ilo io is it ja jbo jv ka kk km kn ko ksh ku ky la lb li lij lmo ln lt",
    "lv map-bms mg mhr mi min mk ml mn mr ms mt mwl my mzn nap nds ne nl nn no nov oc or os pa pdc pl pms pnb ps pt",
    "qu rm ro ru rw sa sah scn sco sd sh si simple sk sl so sq sr su sv sw szl ta te tg th tk tl tr tt ug uk ur uz",
    "vec vep vi vls vo wa war wuu xmf yi yo zea zh zh-classical zh-min-nan zh-yue",
)

_MULTICONER_NAMES = {
    "bn": "Bangla",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fa": "Farsi",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ko": "Korean",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "zh": "Chinese",
}


def _multiconer(codes: str) -> dict[str, dict[str, str]]:
    return {code: {"folder": f"{code.upper()}-{_MULTICONER_NAMES[code]}"} for code in codes.split()}


MULTICONER_LANGUAGES = _multiconer("bn de en es fa hi ko nl ru tr zh")
MULTICONER2_LANGUAGES = _multiconer("bn de en es fa fr hi it pt sv uk zh")
MULTICONER2_TYPES = _words(
    "Facility OtherLOC HumanSettlement Station",
    "VisualWork MusicalWork WrittenWork ArtWork Software",
    "MusicalGRP PublicCORP PrivateCORP AerospaceManufacturer SportsGRP CarManufacturer ORG",
    "Scientist Artist Athlete Politician Cleric SportsManager OtherPER",
    "Clothing Vehicle Food Drink OtherPROD",
    "Medication/Vaccine MedicalProcedure AnatomicalStructure Symptom Disease",
)

UNER_TREEBANKS = {
    treebank: {"language": treebank.split("_")[0]}
    for treebank in _words(
        "ceb_gja da_ddt de_pud en_ewt en_pud hr_set pt_bosque pt_pud ru_pud sk_snk sr_set sv_pud sv_talbanken tl_trg",
        "tl_ugnayan zh_gsd zh_gsdsimp zh_pud",
    )
}

NORWEGIAN = {
    "no": {"stem": "no_bokmaal", "variety": "bokmaal", "short": "nob"},
    "nn": {"stem": "no_nynorsk", "variety": "nynorsk", "short": "nno"},
}
