"""Pickles that want to run something: each ends in one sentence, and nothing runs."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.security.conftest import Refusal

MARK = "it_ran"


class Reduced:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


def _touch(folder: Path) -> str:
    return f"touch {folder / MARK}"


def _text(value: str) -> bytes:
    data = value.encode()
    return pickle.SHORT_BINUNICODE + bytes([len(data)]) + data


def stack_global(module: str, name: str, *arguments: str) -> bytes:
    """A call whose names are put together on the stack, so that no search for names finds them."""
    body = b"".join(_text(argument) for argument in arguments)
    return (
        pickle.PROTO + b"\x04" + _text(module) + pickle.MEMOIZE + _text(name) + pickle.STACK_GLOBAL
        + pickle.MARK + body + pickle.TUPLE + pickle.REDUCE + pickle.STOP
    )  # fmt: skip


def _numpy_object_scalar(command: str) -> bytes:
    inner = pickle.dumps(Reduced(os.system, command))
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    return pickle.dumps(Reduced(scalar, np.dtype("O"), inner), protocol=4)


def _nested_storage(command: str) -> bytes:
    inner = pickle.dumps(Reduced(os.system, command))
    return pickle.dumps({"w": Reduced(torch.storage._load_from_bytes, inner)}, protocol=4)


def _typed_tensor(command: str) -> bytes:
    call = Reduced(torch._tensor._rebuild_from_type_v2, os.system, torch.Tensor, (command,), {})
    return pickle.dumps({"state_dict": call}, protocol=4)


def _inst(command: str) -> bytes:
    return b"\x80\x02(S'" + command.encode() + b"'\nios\nsystem\n."


def _obj(command: str) -> bytes:
    return b"\x80\x02(cos\nsystem\n" + _text(command) + b"o."


PAYLOADS: dict[str, Callable[[str], bytes]] = {
    "os_system": lambda c: pickle.dumps(Reduced(os.system, c), protocol=4),
    "os_system_protocol_2": lambda c: pickle.dumps({"w": Reduced(os.system, c)}, protocol=2),
    "eval": lambda c: pickle.dumps([Reduced(eval, f"__import__('os').system({c!r})")], protocol=4),
    "exec": lambda c: pickle.dumps(Reduced(exec, f"import os; os.system({c!r})"), protocol=5),
    "posix_stack_global": lambda c: stack_global("posix", "system", c),
    "nt_stack_global": lambda c: stack_global("nt", "system", c),
    "dotted_name": lambda c: stack_global("torch", "os.system", c),
    "allowed_module_other_name": lambda c: stack_global("torch._utils", "classproperty", c),
    "torch_load": lambda c: stack_global("torch.serialization", "load", c),
    "torch_hub": lambda c: stack_global("torch.hub", "load", c),
    "popen": lambda c: pickle.dumps(Reduced(subprocess.Popen, ["sh", "-c", c]), protocol=4),
    "getattr": lambda c: stack_global("builtins", "getattr", "os", "system"),
    "partial": lambda c: stack_global("functools", "partial", c),
    "numpy_runstring": lambda c: stack_global("numpy.testing._private.utils", "runstring", c, "{}"),
    "numpy_object_scalar": _numpy_object_scalar,
    "nested_reduce": lambda c: pickle.dumps(Reduced(list, (Reduced(os.system, c),)), protocol=4),
    "nested_storage": _nested_storage,
    "typed_tensor": _typed_tensor,
    "inst": _inst,
    "obj": _obj,
    "newobj": lambda c: b"\x80\x02csubprocess\nPopen\n" + _text(c) + b"\x85\x81.",
    "extension_code": lambda c: b"\x80\x02\x82\x01" + _text(c) + b"\x85R.",
    "call_of_no_name": lambda c: b"\x80\x02" + _text("os.system") + _text(c) + b"\x85R.",
    "build_of_a_name": lambda c: b"\x80\x02ctorch\nTensor\n}" + _text("x") + _text(c) + b"sb.",
    "value_name_called": lambda c: b"\x80\x02cbuiltins\nobject\n" + _text(c) + b"\x85R.",
    "reconstructor": lambda c: (
        b"\x80\x02ccopyreg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtR." + c.encode()
    ),
    "persistent_reference": lambda c: b"\x80\x02" + _text(c) + b"Q.",
}


def _in_zip(data: bytes, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")


def _in_legacy(data: bytes, file: Path) -> None:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    magic = [torch.serialization.MAGIC_NUMBER, 1001, system]
    parts = [pickle.dumps(part, protocol=2) for part in magic]
    file.write_bytes(b"".join(parts) + data + pickle.dumps([], protocol=2))


WRAPPINGS: dict[str, Callable[[bytes, Path], Any]] = {
    "bare": lambda data, file: file.write_bytes(data),
    "zip": _in_zip,
    "legacy": _in_legacy,
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_is_refused_and_nothing_runs(
    payload: str, wrapping: str, tmp_path: Path, refusal: Refusal
) -> None:
    file = tmp_path / "evil.pt"
    WRAPPINGS[wrapping](PAYLOADS[payload](_touch(tmp_path)), file)
    refusal(file)
    assert not (tmp_path / MARK).exists()


def test_the_payloads_are_real(tmp_path: Path) -> None:
    """Python's own reader runs them: the tests above do not pass for want of a working attack."""
    for name in ("os_system", "eval", "exec", "posix_stack_global", "nested_reduce", "inst"):
        if name == "posix_stack_global" and os.name != "posix":
            continue
        pickle.loads(PAYLOADS[name](_touch(tmp_path)))
        assert (tmp_path / MARK).exists(), name
        (tmp_path / MARK).unlink()


def test_the_sentence_names_what_was_asked_for(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "evil.pt"
    file.write_bytes(PAYLOADS["posix_stack_global"]("true"))
    sentence = refusal(file)
    assert "posix.system" in sentence
    assert "nothing of it was run" in sentence


def test_a_whole_module_is_refused_with_advice(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(2, 2), file)
    assert "whole program object" in refusal(file)


# --- huge allocations -----------------------------------------------------------------------------


def _tensor_pickle(numel: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """`{"x": tensor}` with a storage reference of the zip layout."""
    numbers = lambda values: b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"  # noqa: E731
    reference = (
        b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
        + b"\x8a\x08" + struct.pack("<q", numel) + b"tQ"
    )  # fmt: skip
    rebuilt = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + b"K\x00" + numbers(shape) + numbers(stride)
    )
    return b"\x80\x02}" + _text("x") + rebuilt + b"\x89}tRs."


def _tensor_file(file: Path, data: bytes, *, record: bytes = b"\0" * 16) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", record)
    return file


HUGE: dict[str, bytes] = {
    "bytes_of_an_exabyte": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b".",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b".",
    "memo_index": b"\x80\x02]r" + struct.pack("<I", 0xFFFFFFFF) + b".",
    "integer": b"\x80\x02\x8b" + struct.pack("<I", 0x7FFFFFFF) + b".",
    "digits": b"\x80\x02I" + b"9" * 4000 + b"\n.",
    "endless_line": b"\x80\x02I" + b"9" * 1_000_000,
    "hash_bomb": b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.",
    "set_of_tuples": b"\x80\x04\x8f(" + b")" + b"2\x86" * 60 + b"\x90.",
}


@pytest.mark.parametrize("bomb", HUGE)
def test_huge_claims_cost_nothing(bomb: str, tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "bomb.pt"
    file.write_bytes(HUGE[bomb])
    refusal(file)


@pytest.mark.parametrize(
    ("numel", "shape", "stride"),
    [
        (4, (10**6, 10**6), (0, 0)),  # one number, repeated
        (1 << 50, (1 << 50,), (1,)),  # a storage that is not there
        (4, (5,), (1,)),
        (4, (2, 2), (3, 1)),
        (4, (-1,), (1,)),
        (-4, (1,), (1,)),
        (4, (2,), (-1,)),
        (4, (1,) * 100, (1,) * 100),
    ],
)
def test_impossible_tensors(
    numel: int, shape: tuple[int, ...], stride: tuple[int, ...], tmp_path: Path, refusal: Refusal
) -> None:
    refusal(_tensor_file(tmp_path / "t.pt", _tensor_pickle(numel, shape, stride)))


def test_two_types_over_the_same_numbers(tmp_path: Path, refusal: Refusal) -> None:
    good = _tensor_pickle(4, (4,), (1,))
    other = good.replace(b"FloatStorage", b"LongStorage")[2:-1]
    data = good[:-1] + b"0" + other + b"."
    assert "disagree" in refusal(_tensor_file(tmp_path / "t.pt", data))


# --- zip bombs --------------------------------------------------------------------------------------


def test_zip_bomb_in_the_layout_of_pytorch(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "bomb.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", _tensor_pickle(1 << 24, (1 << 24,), (1,)))
        archive.writestr("archive/data/0", b"\0" * (1 << 26))
    assert file.stat().st_size < 1 << 20
    assert "packed" in refusal(file)


def test_zip_bomb_as_npz(tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.engine.weights.import_container.MAX_NPZ_BYTES", 1 << 20)
    file = tmp_path / "bomb.npz"
    np.savez_compressed(file, comp=np.zeros((1 << 22,), np.float32))
    assert "unpacks to more" in refusal(file)


def test_npz_whose_header_lies_about_its_size(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "lie.npz"
    np.savez_compressed(file, comp=np.zeros((1 << 20,), np.float32))
    data = bytearray(file.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 64)
    file.write_bytes(bytes(data))
    refusal(file)


def test_entries_that_overlap(tmp_path: Path, refusal: Refusal) -> None:
    """The same bytes under many names: more inside than the file is long."""
    file = tmp_path / "overlap.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", b"\0" * 4096)
        for number in range(1, 50):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            source = archive.getinfo("archive/data/0")
            for field in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(twin, field, getattr(source, field))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
    assert "more than its own size" in refusal(file)


def test_npy_of_objects(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "evil.npy"
    np.save(file, np.array([Reduced(os.system, _touch(tmp_path))], dtype=object), allow_pickle=True)
    assert "no plain numbers" in refusal(file)
    assert not (tmp_path / MARK).exists()


def test_npy_that_claims_a_terabyte(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "huge.npy"
    np.save(file, np.zeros(512, np.float32))
    data = file.read_bytes().replace(b"(512,), }        ", b"(1000000000000,),}", 1)
    assert b"1000000000000" in data
    file.write_bytes(data[:128] + data[-2048:])
    assert "claims" in refusal(file)
