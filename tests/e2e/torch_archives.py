"""The zip archives that PyTorch writes, without PyTorch: entries where its own writer would place them."""

import zipfile

ALIGNMENT = 64  # bytes, of an entry's content in the file


def write_entry(archive, name, content, method=zipfile.ZIP_STORED):
    """Adds an entry to a zipfile.ZipFile. Its content begins at a multiple of ALIGNMENT, by the same padding as PyTorch's."""
    info = zipfile.ZipInfo(name)  # a fixed date: the file is the same each time
    info.compress_type = method
    padding = -(archive.fp.tell() + zipfile.sizeFileHeader + len(name.encode()) + 4) % ALIGNMENT
    info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    archive.writestr(info, content)


def entries(path):
    """(name below the archive's top folder, name, content, method) of each, in the file's order."""
    with zipfile.ZipFile(path) as archive:
        return [(info.filename.split("/", 1)[1], info.filename, archive.read(info), info.compress_type)
                for info in archive.infolist()]


def without_debug_info(path):
    """The same archive without what PyTorch shows in a traceback: it names the folders of the machine that wrote it."""
    kept = [entry for entry in entries(path) if not entry[0].endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for _, name, content, method in kept:
            write_entry(archive, name, content, method)
    return path
