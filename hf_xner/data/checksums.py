"""SHA-256 of the copies of corpus files that the counts in the registry were taken from."""

from __future__ import annotations

KNOWN_FILES: dict[str, str] = {
    "aedc4ccbd1ae9795feaa0e86fe72d195b0258abed9d705b630d1c889276fac1e": "eng.testa",
    "0632f32c090ef31c223135b7fee3187a7cf8e65c4015c7866bb7783428cdd9a6": "eng.testb",
    "eac0822f501353f265383ddf1edb0dcd42a1b6eefd3e383d7074db98c38eb41c": "eng.train",
    "85c17793b77881c53d19017d9d0f1e6fb98b7ddcab54a5f24b05ed1793103c87": "esp.testa",
    "1f8f7a392c6d4979a5592a5794eed43d7869b46da6851bbcde99714149f1d016": "esp.testb",
    "a20d95cab7d88a19a86f8c1ad6329325c99fbd9529ed978cbd7e31d4b01b4008": "esp.train",
    "51259d4bfe52462f211d3d0b67173a7ecbfa296e199f6c6bd0895f4c78155057": "ned.testa",
    "2aa748edb82e6f9c4d82e57a4bed69ded18cfa4803122c75070335d513517488": "ned.testb",
    "0a419dcb356b62c8cff38515675550b3d5dbea9f45a1c4956328dbd5cc7fcdbc": "ned.train",
    "7810c827587de8929489937d566c415d05a9195eaf8806dc1a9597de1f0d1231": "ar.testa.iob2",
    "c197c7e8414733654989970fcaa5e66e0a3f27459809878da637ea674a4eae12": "ar.testb.iob2",
    "fd51931793c980f4e4f541e967c773c9862e3ba4f6819d53ac0b5c78af06a066": "ar.train.iob2",
    "8cf5276e98fdac71bb90df25f26a8146ba4e6e5f502f487843f7637044724701": "en_dev.conll",
    "db97d27d2474feec703614c81164503738514d859cac420a7c0b6300d7dfa1b1": "en_train.conll",
    "916fedef248c02d4d09470731842796b23c22b0c689abc684bfc73fa90405457": "es_dev.conll",
    "5e149288fa155319dd60e1144284abfe447e7331efabc61dd63ff1190b9dda88": "es_train.conll",
    "7abc775c9ae7128bae00bdbb3fdb24ce3d227f84ebe5fcd0f68f74b6430bb2b2": "ko_dev.conll",
    "aada26d8cbdcb0a48aee3fa597395a8fb07c629edc468e742bd91218972023b0": "ko_train.conll",
}
