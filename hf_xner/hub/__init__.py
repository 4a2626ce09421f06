"""From a run folder to the Hub: what is known of a run, its card, which files go up, and the push itself.

run folder -> `run_facts` -> `card` (templates: `hub_cards/`) and `metadata` -> `files` -> `clean` -> `push`
"""
