"""Takes the memory of GPU 0 but for so many MiB, as another process on the host would: hold_gpu_memory.py LEFT_MIB. Prints "held" when it
has it, and gives it back when its input ends. Needs no more than the NVIDIA driver."""

import ctypes
import sys


def check(code, what):
    if code != 0:
        raise SystemExit(f"{what}: CUDA error {code}")


def main():
    driver = ctypes.CDLL("libcuda.so.1")
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    check(driver.cuInit(0), "cuInit")
    check(driver.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    check(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), "cuDevicePrimaryCtxRetain")
    check(driver.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    check(driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)), "cuMemGetInfo")
    taken = free.value - (int(sys.argv[1]) << 20)
    check(driver.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(taken)), "cuMemAlloc")
    print("held", flush=True)
    sys.stdin.read()


main()
