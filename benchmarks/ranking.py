"""What a ranking of checkpoints without labels is worth: measures and kNN along runs of several methods on digits.

OMP_NUM_THREADS=1 python benchmarks/ranking.py     # half a minute; writes what the page on the judge is made from
"""

from __future__ import annotations

import argparse

import xarray as xr

from dynsim.networks import Experiment, train
from dynsim.pages.judge import RANKED_RUNS, ranking_table
from dynsim.records import stamp
from dynsim.storage import open_dataset, save_dataset

MEASURES = ("knn", "spread", "rankme", "participation", "alpha_req", "noise_share", "norm_ratio")
SETTINGS = {
    "SimSiam": {},
    "BYOL": {"teacher": 0.99},
    "VICReg": {"objective": "vicreg", "predictor": "none", "lr": 0.01},
    "Barlow Twins": {"objective": "barlow", "predictor": "none", "lr": 0.02},
    "SimSiam, decay 0.01": {"eta_s": 0.01, "eta_p": 0.01},
    "SimSiam, both branches": {"branch": "full"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", default=str(RANKED_RUNS))
    args = parser.parse_args()
    runs = []
    for name, options in SETTINGS.items():
        run = train(Experiment(steps=300, every=20, measures=MEASURES, images=800, **options), args.seeds)
        runs.append(run[list(MEASURES)].drop_attrs().astype("float32").expand_dims(setting=[name]))
    data = stamp(xr.concat(runs, "setting", coords="minimal"), kind="training", dim=Experiment().dim)
    save_dataset(data, args.out, compress=True)
    print(ranking_table(open_dataset(args.out)))


if __name__ == "__main__":
    main()
