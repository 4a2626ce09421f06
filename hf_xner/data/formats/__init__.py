"""How files of tagged sentences are written: one layout a file, all of them giving `RawSentence`."""
