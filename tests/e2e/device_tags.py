"""The devices that a TorchScript archive names, read and rewritten: what an archive of a GPU looks like, without the GPU.

They stand in three places: the tag of each storage (data.pkl, constants.pkl, and traced_inputs.pkl, which
nobody reads), attributes of a module that are a torch.device or a str (data.pkl), and constants in the code (code/*.py)."""

import pickletools
import re
import zipfile

from torch_archives import entries, write_entry

PICKLES = ("data.pkl", "constants.pkl", "traced_inputs.pkl")
DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:[0-9]+)?")
IN_CODE = re.compile(rf'torch\.device\("({DEVICE.pattern})"\)')
PUTS = ("BINPUT", "LONG_BINPUT")
# After the tag of a storage of a tensor without dimensions: elements, end of the storage, offset, shape.
SCALAR = ["BININT1", "TUPLE", "BINPERSID", "BININT1", "MARK", "TUPLE"]


def is_code(entry):
    return entry.startswith("code/") and entry.endswith(".py")


def operations(pickle):
    """(name, argument, bytes) of each."""
    found = list(pickletools.genops(pickle))
    ends = [position for _, _, position in found[1:]] + [len(pickle)]
    return [(op.name, argument, pickle[position:end]) for (op, argument, position), end in zip(found, ends, strict=True)]


def mentions_in_pickle(ops):
    """(number of the operation, device) wherever one puts a device's name on the stack; a name may be written once and
    fetched from the memo after that."""
    memo, found = {}, []
    for i, (name, argument, _) in enumerate(ops):
        text = argument if name == "BINUNICODE" else memo.get(argument) if name in ("BINGET", "LONG_BINGET") else None
        if text is None or not DEVICE.fullmatch(text):
            continue
        found.append((i, text))
        if ops[i + 1][0] in PUTS:
            memo[ops[i + 1][1]] = text
    return found


def is_scalar(ops, i):
    return [name for name, _, _ in ops[i + 1:i + 10] if name not in PUTS][:len(SCALAR)] == SCALAR


def mentions(path):
    """{entry: its devices, in order}, for the entries that name any."""
    found = {}
    for entry, _, content, _ in entries(path):
        if entry in PICKLES:
            found[entry] = [device for _, device in mentions_in_pickle(operations(content))]
        elif is_code(entry):
            found[entry] = [match.group(1) for match in IN_CODE.finditer(content.decode())]
    return {entry: devices for entry, devices in found.items() if devices}


def rewrite_devices(source_path, target_path, device, source="cpu"):
    """The archive with `device` wherever it named `source`: tags, attributes and code. `device` may be a function of the
    entry and of the mention's number among the entry's mentions of `source`. What PyTorch keeps on the CPU on every machine
    stays there: constants without dimensions (the 2 of `x * 2`)."""
    def choose(entry, number):
        return device if isinstance(device, str) else device(entry, number)

    def in_pickle(entry, content):
        ops = operations(content)
        parts = [raw for _, _, raw in ops]
        of_source = [i for i, found in mentions_in_pickle(ops) if found == source]
        for number, i in enumerate(of_source):
            keeps = entry == "constants.pkl" and is_scalar(ops, i)
            text = (source if keeps else choose(entry, number)).encode()
            parts[i] = b"X" + len(text).to_bytes(4, "little") + text  # BINUNICODE; what stood in the memo may have changed
        return b"".join(parts)

    def in_code(entry, content):
        of_source = re.compile(rf'torch\.device\("{re.escape(source)}"\)')
        number = iter(range(len(content)))
        return of_source.sub(lambda match: f'torch.device("{choose(entry, next(number))}")', content.decode()).encode()

    old = entries(source_path)
    with zipfile.ZipFile(target_path, "w") as archive:
        for entry, name, content, method in old:
            if entry in PICKLES:
                content = in_pickle(entry, content)
            elif is_code(entry):
                content = in_code(entry, content)
            write_entry(archive, name, content, method)
