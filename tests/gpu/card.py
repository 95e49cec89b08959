"""What a report must say of its host: card, driver, CUDA, LibTorch. The card and the driver are asked without PyTorch."""

import ctypes
import os
import pathlib
import platform
import re


def describe(device, libtorch):
    """{device, card, …}; numbers and texts, None where nothing says it. `libtorch`: the folder that has lib/."""
    text = version_text(libtorch)
    found = {"device": device, "card": "simulated accelerator", "memory_mib": None, "driver": None, "driver_cuda": None}
    if device.startswith("cuda"):
        found |= ask_driver(int(device.split(":")[1])) | {"driver": driver_version()}
    return found | {"torch": variable(text, "__version__"), "cuda": variable(text, "cuda"), "python": platform.python_version(),
                    "glibc": platform.libc_ver()[1], "system": system_name(), "processor": processor_name(),
                    "processors": len(os.sched_getaffinity(0))}


def gpu_count():
    """GPUs that the NVIDIA driver gives this process."""
    driver = open_library("libcuda.so.1")
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def ask_driver(index):
    driver = open_library("libcuda.so.1")
    device, version, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    driver.cuDriverGetVersion(ctypes.byref(version))
    return {"card": name.value.decode(), "memory_mib": memory.value >> 20,
            "driver_cuda": f"{version.value // 1000}.{version.value % 1000 // 10}"}


def driver_version():
    """"580.65.06"."""
    nvml = open_library("libnvidia-ml.so.1")
    text = ctypes.create_string_buffer(96)
    if nvml is None or nvml.nvmlInit_v2() != 0 or nvml.nvmlSystemGetDriverVersion(text, len(text)) != 0:
        return None
    return text.value.decode()


def open_library(name):
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def version_text(libtorch):
    path = pathlib.Path(libtorch) / "version.py"
    return path.read_text() if path.exists() else ""


def variable(text, name):
    """Its value in PyTorch's version.py: `cuda: Optional[str] = '13.0'`."""
    match = re.search(rf"^{name}(?::[^=]*)? = '([^']*)'", text, re.MULTILINE)
    return match.group(1) if match else None


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()


def processor_name():
    match = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match.group(1) if match else platform.machine()
