"""Make the store of a study, or recognise the one that is there."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import bad, missing_extra, unknown
from dynsim.records import as_json, versions
from dynsim.studies.storage import PARTS, Folder, Storage
from dynsim.studies.store import STATUS, Store, made_by, read_study
from dynsim.studies.study import Study
from dynsim.studies.tasks import Tasks, subject_of, tasks_of

__all__ = ["made_or_found", "recognise"]


def made_or_found(storage: Storage, study: Study) -> Store:
    """Store of a study: made if there is none.

    Raises
    ------
    InvalidValue
        The storage holds the store of another study or version, or something else.
    MissingExtra
        Without zarr.
    """
    if storage.read("zarr.json") is None:
        _make(storage, study)
    recognise(storage, study)
    return Store(storage, study)


def recognise(storage: Storage, study: Study) -> None:
    """Refuse a store of another study or version, naming the difference."""
    from dynsim import __version__

    kept, version = read_study(storage), made_by(storage)
    if kept is None:
        return
    advice = "take another store or remove this one"
    if version != __version__:
        raise bad("store", storage.url, f"one made by dynsim {__version__}, not {version}", advice)
    if kept != study:
        raise bad("store", storage.url, f"a store of this study, not of one {_difference(kept, study)}", advice)


def _difference(kept: Study, study: Study) -> str:
    before, now = kept.to_dict(), study.to_dict()
    for table in ("axes", "experiment"):
        for plain in (before, now):
            plain |= {f"{table}.{name}": value for name, value in plain.pop(table, {}).items()}
    before["order of axes"], now["order of axes"] = list(kept.sizes), list(study.sizes)
    called = ("name", "summary")  # which make no difference
    names = [name for name in {**before, **now} if before.get(name) != now.get(name) and name not in called]
    differences = [f"{name} = {_short(before.get(name))} where this has {_short(now.get(name))}" for name in names[:3]]
    return "with " + "; ".join(differences) + ("; …" if len(names) > 3 else "")


def _short(value: Any, limit: int = 60) -> str:
    if isinstance(value, dict) and len(values := value.get("values", ())) > 3:  # an axis
        value = {**value, "values": f"{len(values)} from {values[0]} to {values[-1]}"}
    text = "nothing" if value is None else as_json(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _make(storage: Storage, study: Study) -> None:
    """Write all metadata and coordinates in memory, then `zarr.json`, which makes it a store, last."""
    try:
        import zarr
        from zarr.storage import MemoryStore
    except ImportError:
        raise missing_extra("zarr", "sweeps", "sweeps") from None
    objects: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(objects), attributes=_attributes(study))
    tasks = tasks_of(study)
    _fill(group, study, _chosen(study, subject_of(study).example(study)), tasks)
    with warnings.catch_warnings():
        # Zarr 3 says that other readers may not know consolidated metadata; xarray does and asks for them.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(group.store)
    _refuse_what_is_not_ours(storage, {key.split("/")[0] for key in objects})
    for key in sorted(objects, key=lambda name: name == "zarr.json"):
        storage.write(key, objects[key].to_bytes(), durable=True)


def _refuse_what_is_not_ours(storage: Storage, ours: set[str]) -> None:
    """A folder may hold the beginning of this store, whose making was cut off, but nothing else."""
    if isinstance(storage, Folder) and storage.path.exists():
        for path in sorted(storage.path.iterdir()):
            if path.name not in {*ours, PARTS}:
                raise bad("out", storage.url, "an empty folder or a name that is free", f"it holds {path.name}")


def _attributes(study: Study) -> dict[str, Any]:
    from dynsim import __version__

    return {
        "title": study.summary or study.name or "a study",
        "study": json.dumps(study.to_dict()),  # unsorted: the order of the axes is that of the dimensions
        "digest": study.digest,
        "dynsim_version": __version__,
        "versions": as_json(versions("zarr", *(["torch"] if study.experiment is not None else []))),
        "tasks": tasks_of(study).total,
    }


def _chosen(study: Study, example: xr.Dataset) -> xr.Dataset:
    for name in study.record:
        if name not in example.data_vars:
            raise unknown("record", name, list(map(str, example.data_vars)))
    return example[list(study.record)] if study.record else example


def _fill(group: Any, study: Study, example: xr.Dataset, tasks: Tasks) -> None:
    from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec

    for item in study.dimensions:
        _constant(group, item.name, (item.name,), np.asarray(item.values), {})
    for name, coordinate in example.coords.items():
        if name not in study.sizes and not set(coordinate.dims) & set(study.sizes):
            _constant(group, str(name), coordinate.dims, coordinate.values, coordinate.attrs)
    about = {
        "long_name": "state of the task that computes this",
        "flag_values": np.arange(3, dtype=np.int8),
        "flag_meanings": "unfinished done failed",
    }
    status = xr.DataArray(np.zeros([1] * len(tasks.dims), dtype=np.int8), dims=tasks.dims, attrs=about)
    beside = [name for name in example.coords if not example[name].dims]
    for name, variable in {**example.data_vars, STATUS: status}.items():
        more = [dim for dim in variable.dims if dim not in study.sizes]
        own = tuple(example.sizes[dim] for dim in more)
        kind = np.dtype(float) if variable.dtype.kind in "fc" else variable.dtype
        attributes = {key: np.asarray(value).tolist() for key, value in variable.attrs.items()}
        group.create_array(
            str(name),
            shape=(*tasks.shape, *own),
            chunks=(*tasks.box, *(max(1, side) for side in own)),
            dtype=kind,
            fill_value=np.nan if kind.kind == "f" else 0 if name == STATUS else -1,
            serializer=BytesCodec(endian="little" if kind.itemsize > 1 else None),
            compressors=(ZstdCodec(level=0), Crc32cCodec()),
            dimension_names=(*tasks.dims, *map(str, more)),
            attributes={**attributes, **({"coordinates": " ".join(map(str, beside))} if beside else {})},
        )


def _constant(group: Any, name: str, dims: Any, values: np.ndarray, attributes: Any) -> None:
    if values.dtype.kind == "U":
        values = values.astype(np.dtypes.StringDType()) if hasattr(np.dtypes, "StringDType") else values.astype(object)
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=str if values.dtype.kind in "TO" else values.dtype,
        dimension_names=tuple(map(str, dims)),
        attributes={key: np.asarray(value).tolist() for key, value in dict(attributes).items()},
    )
    array[...] = values
