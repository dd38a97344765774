"""Settings searched for by trials on validation data, and the best measured once on test data.

DIR/search.yaml           what is searched; the same file goes on with the same search
DIR/search.journal        Optuna's journal: what was asked and what was told
DIR/trials/runs/trial-N   an ordinary run folder a trial; one that was stopped holds stopped.json
DIR/best/trial-N          a study: the best settings, several seeds, all training data
DIR/search.json           what came of it;  DIR/search.html shows it
"""
