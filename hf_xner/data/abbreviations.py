"""Abbreviations whose full stop neither ends a sentence nor stands alone, lower case, without the last full stop.

Gathered for the languages of the corpora that hf_xner reads. One set serves all languages: the splitter is not told
which language it sees, so a word that is common and no abbreviation in another language is left out
("art", "no", "on", "med").
"""

from __future__ import annotations

_BY_LANGUAGE = {
    "en": "mr mrs ms messrs dr prof st sgt lt col capt cpl maj gen cmdr adm rev pres gov sen rep jr sr esq "
    "inc ltd corp co bros dept univ assn ave blvd rd mt ft vs etc approx fig figs vol vols pp ed eds "
    "feb apr jun jul aug sept oct nov dec calif fla e.g i.e a.m p.m ph.d cf al viz",
    "de": "bzw usw ggf evtl ca vgl inkl exkl abs bd hrsg jh mrd nr str tel z.b d.h u.a z.t i.d.r o.ä s.o u.u "
    "geb gest hl dipl ing jur phil vors stv allg bes bspw dt engl etw",
    "nl": "bv bijv blz dhr mevr mw drs mr ir nl enz evt jl resp zgn m.b.t o.a e.a t.a.v d.w.z t/m i.p.v a.s n.a.v "
    "m.a.w z.o.z gem",
    "es": "sra srta sres dña ud uds vd vds lic arq avda pág págs núm aprox excmo excma ilmo ilma "
    "admón cía ee.uu rr.hh ff.aa p.ej a.c d.c s.a",
    "fr": "mme mmes mlle mlles mm mgr chap éd env p.ex c.-à-d bd",
    "it": "sig sigg dott dott.ssa prof.ssa avv geom ecc pag pagg arch",
    "pt": "sr sra srs dra profa exmo exma pág tel ltda cia",
    "no": "f.eks bl.a m.m o.l osv dvs mv pga ifm iht jf kl nr ca tlf kr mill mrd f.o.m t.o.m s.k e.l adm",
    "sv": "t.ex bl.a m.m d.v.s dvs osv fr.o.m t.o.m s.k ca kl nr kap st",
    "da": "f.eks bl.a m.v m.fl dvs osv pga ift jf kl nr ca kr mia",
    "fi": "esim mm ns ts jne yms tms klo nro ks vrt eaa jaa puh",
    "tr": "örn vb vs bkz yy cad sok doç yrd alb müh",
    "ru": "г гг ул пр др т.е т.д т.п т.к проф акад см стр руб коп млн млрд тыс обл р-н",
    "pl": "np tzn tzw itd itp prof dr mgr inż ul al pl godz św nr woj",
    "cs": "např tzv atd apod tj ing mgr č str sv",
    "hu": "pl stb kb ún dr",
    "ca": "sr sra dr dra pàg núm",
    "ro": "dl dna nr str jud prof dr",
    "id": "jl hlm dll dsb dr drs ir prof bpk",
    "vi": "tp ths gs pgs ts",
}

ABBREVIATIONS = frozenset(word for words in _BY_LANGUAGE.values() for word in words.split())

# These close an enumeration, so a capital letter after them opens a sentence.
_CLOSING = "etc usw osv enz ecc jne itd itp atd apod stb dll dsb yms tms m.m m.fl т.д т.п"
CLOSING = frozenset(_CLOSING.split())
