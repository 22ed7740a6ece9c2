"""Reads pickles without ever running what they ask for.

A pickle is a program for a small stack machine. This is that machine, with every instruction that
reaches into Python taken out: a name stays a pair of strings, a call is answered from a table of
inert builders (`import_names`), and a name outside the table ends the import. Nothing is imported,
looked up or called on behalf of the file.

Source: the instruction set is documented in Python's `pickletools`.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable

from desktop_app.engine.weights.import_values import ImportRefused, Name, Record

Persistent = Callable[[object], object]
Names = dict[tuple[str, str], Callable[[tuple[object, ...]], object] | None]

MAX_STEPS = 5_000_000
MAX_MEMO = 2_000_000
MAX_INTEGER_BYTES = 16
MAX_TEXT_BYTES = 1 << 24
MAX_LINE = 4096
# Byte strings from this size on stay where they are in the file: they are tensors.
SMALL_BYTES = 256

_KEYS = (str, int, float, bool, type(None), bytes)
_DAMAGED = "is damaged: its contents make no sense"
_AGAIN = "Download the file again."


def cut_off() -> ImportRefused:
    """The refusal of a file that ends too early."""
    return ImportRefused("is cut off: it ends in the middle", _AGAIN)


class Unpickler:
    """One pickle after another from a block of bytes.

    Args:
        data: The bytes.
        names: What a name may stand for: None for a name that is only mentioned, or a function that
            builds an inert value from the arguments of a call.
        persistent_load: Answers references to storages.
    """

    def __init__(self, data: memoryview, names: Names, persistent_load: Persistent | None = None) -> None:
        self._data = data
        self._names = names
        self._persistent_load = persistent_load
        self._at = 0
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def load(self, start: int = 0) -> tuple[object, int]:
        """Read one pickle.

        Args:
            start: Where it begins.

        Returns:
            The value, and the place after its end.

        Raises:
            ImportRefused: It is cut off, damaged, or asks for what weights do not need.
        """
        self._at = start
        self._stack, self._marks, self._memo = [], [], {}
        try:
            for _ in range(MAX_STEPS):
                code = self._take(1)[0]
                if code == pickle.STOP[0]:
                    return self._stack.pop(), self._at
                step = _STEPS.get(code)
                if step is None:
                    raise ImportRefused(_DAMAGED, _AGAIN)
                step(self)
        except (IndexError, KeyError, ValueError, TypeError, OverflowError, struct.error) as error:
            raise ImportRefused(_DAMAGED, _AGAIN) from error
        raise ImportRefused("has far more parts than a weights file")

    # --- reading ----------------------------------------------------------------------------------

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise cut_off()
        part = self._data[self._at : end]
        self._at = end
        return part

    def _unsigned(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def _line(self) -> str:
        window = bytes(self._data[self._at : self._at + MAX_LINE])
        length = window.find(b"\n")
        if length < 0:
            raise ImportRefused(_DAMAGED, _AGAIN) if len(window) == MAX_LINE else cut_off()
        self._at += length + 1
        return window[:length].decode("utf-8")

    def _text(self, width: int, encoding: str = "utf-8") -> None:
        length = self._unsigned(width)
        if length > MAX_TEXT_BYTES:
            raise ImportRefused("holds a text of impossible length") if length <= self._left else cut_off()
        self._stack.append(str(self._take(length), encoding, _text_errors(encoding)))

    @property
    def _left(self) -> int:
        return len(self._data) - self._at

    def _bytes(self, width: int) -> None:
        part = self._take(self._unsigned(width))
        self._stack.append(bytes(part) if len(part) <= SMALL_BYTES else part)

    def _integer(self, width: int) -> None:
        length = self._unsigned(width)
        if length > MAX_INTEGER_BYTES:
            raise ImportRefused(_DAMAGED, _AGAIN)
        self._stack.append(int.from_bytes(self._take(length), "little", signed=True))

    # --- stack ------------------------------------------------------------------------------------

    def _since_mark(self) -> list[object]:
        start = self._marks.pop()
        items = self._stack[start:]
        if start > len(self._stack):
            raise ImportRefused(_DAMAGED, _AGAIN)
        del self._stack[start:]
        return items

    def _remember(self, index: int) -> None:
        if not 0 <= index <= MAX_MEMO:
            raise ImportRefused("has far more parts than a weights file")
        self._memo[index] = self._stack[-1]

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ImportRefused(_DAMAGED, _AGAIN)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, set):
            target.update(checked_key(item) for item in items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise ImportRefused(_DAMAGED, _AGAIN)

    # --- names and calls --------------------------------------------------------------------------

    def _mention(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ImportRefused(_DAMAGED, _AGAIN)
        if (module, name) not in self._names:
            raise _unwanted(module, name)
        self._stack.append(Name(module, name))

    def _call(self, callee: object, arguments: object) -> None:
        if not isinstance(callee, Name) or not isinstance(arguments, tuple):
            raise ImportRefused("asks to call something that is no name; nothing of it was run")
        build = self._names[callee.module, callee.name]
        if build is None:
            raise ImportRefused(f"asks to call '{callee}', which is not to be called; nothing of it was run")
        self._stack.append(build(arguments))

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Record) or hasattr(type(target), "build"):
            target.build(state)  # type: ignore[attr-defined]  # only our own inert classes have it
        elif not isinstance(target, dict):
            # Attributes of a dictionary (`_metadata` of a state dict) say nothing we need.
            raise ImportRefused(_DAMAGED, _AGAIN)

    def _persistent(self, reference: object) -> None:
        if self._persistent_load is None:
            raise ImportRefused("refers to data outside of the file")
        self._stack.append(self._persistent_load(reference))


def _text_errors(encoding: str) -> str:
    # File names in options may hold bytes that are no text.
    return "surrogatepass" if encoding == "utf-8" else "strict"


def checked_key(key: object) -> object:
    """A dictionary key or set member: a plain value, so that hashing it costs nothing.

    Raises:
        ImportRefused: It is something else.
    """
    if not isinstance(key, _KEYS):
        raise ImportRefused("has keys that are no plain values")
    return key


def _unwanted(module: str, name: str) -> ImportRefused:
    full = re.sub(r"[^\w.<>-]", "?", f"{module}.{name}"[:80])
    if module.startswith(("torch.nn.", "torchvision.models")):
        return ImportRefused(
            f"was saved as a whole program object ('{full}'), not as weights",
            "Ask its author for a file with the state dict.",
        )
    return ImportRefused(f"asks for '{full}', which is no part of a weights file; nothing of it was run")


# --- the instructions ---------------------------------------------------------------------------


def _push(value: object) -> Callable[[Unpickler], None]:
    return lambda machine: machine._stack.append(value)


def _put(width: int) -> Callable[[Unpickler], None]:
    return lambda machine: machine._remember(machine._unsigned(width))


def _get(width: int) -> Callable[[Unpickler], None]:
    return lambda machine: machine._stack.append(machine._memo[machine._unsigned(width)])


def _tuple(count: int) -> Callable[[Unpickler], None]:
    def step(machine: Unpickler) -> None:
        items = tuple(machine._stack[-count:])
        if len(items) != count:
            raise ImportRefused(_DAMAGED, _AGAIN)
        machine._stack[-count:] = [items]

    return step


def _nothing(machine: Unpickler) -> None:
    machine._unsigned(8)  # a frame's length; frames only help to read ahead


def _protocol(machine: Unpickler) -> None:
    if machine._unsigned(1) > pickle.HIGHEST_PROTOCOL:
        raise ImportRefused(_DAMAGED, _AGAIN)


def _old_int(machine: Unpickler) -> None:
    text = machine._line()
    machine._stack.append({"00": False, "01": True}[text] if text in ("00", "01") else _small_int(text))


def _small_int(text: str) -> int:
    if len(text) > 40:
        raise ImportRefused(_DAMAGED, _AGAIN)
    return int(text.rstrip("L"))


def _quoted(machine: Unpickler) -> None:
    text = machine._line()
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"" or "\\" in text:
        raise ImportRefused(_DAMAGED, _AGAIN)
    machine._stack.append(text[1:-1])


def _two(operation: Callable[[Unpickler, object, object], None]) -> Callable[[Unpickler], None]:
    def step(machine: Unpickler) -> None:
        second, first = machine._stack.pop(), machine._stack.pop()
        operation(machine, first, second)

    return step


def _new_ex(machine: Unpickler) -> None:
    keywords = machine._stack.pop()
    arguments, kind = machine._stack.pop(), machine._stack.pop()
    if keywords != {}:
        raise ImportRefused("asks to make an object with named arguments; nothing of it was run")
    machine._call(kind, arguments)


def _frozen(machine: Unpickler) -> None:
    machine._stack.append(frozenset(checked_key(item) for item in machine._since_mark()))


def _new_dict(machine: Unpickler) -> None:
    items = machine._since_mark()
    machine._stack.append({})
    machine._set_items(items)


def _set_item(machine: Unpickler) -> None:
    items = [machine._stack.pop(-2), machine._stack.pop()]
    machine._set_items(items)


def _extension(_machine: Unpickler) -> None:
    raise ImportRefused("uses names from a private table; nothing of it was run")


def _old_object(_machine: Unpickler) -> None:
    raise ImportRefused("makes objects of its own classes, which weights do not need; nothing of it was run")


_STEPS: dict[int, Callable[[Unpickler], object]] = {
    pickle.PROTO[0]: _protocol,
    pickle.FRAME[0]: _nothing,
    pickle.MARK[0]: lambda m: m._marks.append(len(m._stack)),
    pickle.POP[0]: lambda m: m._stack.pop(),
    pickle.POP_MARK[0]: lambda m: m._since_mark(),
    pickle.DUP[0]: lambda m: m._stack.append(m._stack[-1]),
    pickle.NONE[0]: _push(None),
    pickle.NEWTRUE[0]: _push(True),
    pickle.NEWFALSE[0]: _push(False),
    pickle.INT[0]: _old_int,
    pickle.LONG[0]: lambda m: m._stack.append(_small_int(m._line())),
    pickle.FLOAT[0]: lambda m: m._stack.append(float(m._line())),
    pickle.BININT[0]: lambda m: m._stack.append(struct.unpack("<i", m._take(4))[0]),
    pickle.BININT1[0]: lambda m: m._stack.append(m._unsigned(1)),
    pickle.BININT2[0]: lambda m: m._stack.append(m._unsigned(2)),
    pickle.LONG1[0]: lambda m: m._integer(1),
    pickle.LONG4[0]: lambda m: m._integer(4),
    pickle.BINFLOAT[0]: lambda m: m._stack.append(struct.unpack(">d", m._take(8))[0]),
    pickle.STRING[0]: _quoted,
    pickle.UNICODE[0]: lambda m: m._stack.append(m._line()),
    pickle.BINSTRING[0]: lambda m: m._text(4, "latin-1"),
    pickle.SHORT_BINSTRING[0]: lambda m: m._text(1, "latin-1"),
    pickle.SHORT_BINUNICODE[0]: lambda m: m._text(1),
    pickle.BINUNICODE[0]: lambda m: m._text(4),
    pickle.BINUNICODE8[0]: lambda m: m._text(8),
    pickle.SHORT_BINBYTES[0]: lambda m: m._bytes(1),
    pickle.BINBYTES[0]: lambda m: m._bytes(4),
    pickle.BINBYTES8[0]: lambda m: m._bytes(8),
    pickle.BYTEARRAY8[0]: lambda m: m._bytes(8),
    pickle.EMPTY_TUPLE[0]: _push(()),
    pickle.TUPLE[0]: lambda m: m._stack.append(tuple(m._since_mark())),
    pickle.TUPLE1[0]: _tuple(1),
    pickle.TUPLE2[0]: _tuple(2),
    pickle.TUPLE3[0]: _tuple(3),
    pickle.EMPTY_LIST[0]: lambda m: m._stack.append([]),
    pickle.LIST[0]: lambda m: m._stack.append(m._since_mark()),
    pickle.APPEND[0]: lambda m: m._extend([m._stack.pop()]),
    pickle.APPENDS[0]: lambda m: m._extend(m._since_mark()),
    pickle.EMPTY_DICT[0]: lambda m: m._stack.append({}),
    pickle.DICT[0]: _new_dict,
    pickle.SETITEM[0]: _set_item,
    pickle.SETITEMS[0]: lambda m: m._set_items(m._since_mark()),
    pickle.EMPTY_SET[0]: lambda m: m._stack.append(set()),
    pickle.ADDITEMS[0]: lambda m: m._extend(m._since_mark()),
    pickle.FROZENSET[0]: _frozen,
    pickle.PUT[0]: lambda m: m._remember(_small_int(m._line())),
    pickle.BINPUT[0]: _put(1),
    pickle.LONG_BINPUT[0]: _put(4),
    pickle.MEMOIZE[0]: lambda m: m._remember(len(m._memo)),
    pickle.GET[0]: lambda m: m._stack.append(m._memo[_small_int(m._line())]),
    pickle.BINGET[0]: _get(1),
    pickle.LONG_BINGET[0]: _get(4),
    pickle.GLOBAL[0]: lambda m: m._mention(m._line(), m._line()),
    pickle.STACK_GLOBAL[0]: _two(Unpickler._mention),
    pickle.REDUCE[0]: _two(Unpickler._call),
    pickle.NEWOBJ[0]: _two(Unpickler._call),
    pickle.NEWOBJ_EX[0]: _new_ex,
    pickle.BUILD[0]: Unpickler._build,
    pickle.PERSID[0]: lambda m: m._persistent(m._line()),
    pickle.BINPERSID[0]: lambda m: m._persistent(m._stack.pop()),
    pickle.INST[0]: _old_object,
    pickle.OBJ[0]: _old_object,
    pickle.EXT1[0]: _extension,
    pickle.EXT2[0]: _extension,
    pickle.EXT4[0]: _extension,
}
