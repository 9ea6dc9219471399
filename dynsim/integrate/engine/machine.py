"""The processor at hand, and LLVM's compiler and loader for it."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from dynsim.integrate.engine.functions import FROM_LIBRARY

__all__ = ["compiled", "description", "load", "width"]


@cache
def width() -> int:
    """Lanes per vector: two registers' worth, so that one computes while the other waits."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") else 4


@cache
def description() -> str:
    """Everything beside its source that machine code depends on."""
    features = llvm.get_host_cpu_features().flatten()
    version = ".".join(map(str, llvm.llvm_version_info))
    return "|".join((llvm.get_process_triple(), llvm.get_host_cpu_name(), features, llvmlite.__version__, version))


@cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _target() -> llvm.TargetMachine:
    """Compiler for this processor; a new one each time, since a loader takes its own over."""
    _initialise()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )


def compiled(module: ir.Module, *, loops: bool = False) -> bytes:
    """Object code of a module for this processor; `loops`: what does not change in a loop is moved out of it."""
    target = _target()
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    parsed = llvm.parse_assembly(str(module))
    passes = llvm.create_new_module_pass_manager()
    passes.add_new_gvn_pass()  # the right-hand side is emitted once per stage: share what does not change
    passes.add_instruction_combine_pass()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.run(parsed, builder)
    if loops:
        builder.getModulePassManager().run(parsed, builder)
    return bytes(target.emit_object(parsed))


def load(code: bytes, entry: str) -> tuple[int, Any]:
    """Address of a function in object code, and what must stay alive as long as it is used."""
    _offer_library()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(entry), engine


@cache
def _offer_library() -> None:
    """Let loaded code find the functions of the C library, wherever the system keeps them."""
    library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)  # None: what Python itself is linked with
    if not all(hasattr(library, function) for function in FROM_LIBRARY):
        library = ctypes.CDLL(ctypes.util.find_library("m"))  # asks other programs, which takes a while
    for function in FROM_LIBRARY:
        llvm.add_symbol(function, ctypes.cast(getattr(library, function), ctypes.c_void_p).value)
