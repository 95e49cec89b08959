// The C library's heaps ("arenas"): how many there are, and how much of what was freed each keeps.
#pragma once

namespace torchferry::base {

// Lets glibc make two heaps for each of `processors`, at least four, and fixes its thresholds. To be called before
// threads start. The number stays as it is if the environment has MALLOC_ARENA_MAX or a tunable for it.
//
// Each thread keeps to one heap. By default there are up to eight for each processor of the host, whatever the cgroup
// allows.
void SetUpHeaps(double processors);

// The number of heaps that SetUpHeaps asks for.
int HeapsFor(double processors);

// The number of heaps that glibc has made, the main one included. 1 where memory is too short to count them. 0: malloc
// has been replaced. Thread-safe.
int CountHeaps();

// Fixes glibc's thresholds at the values that large blocks bring them to. Blocks of up to 32 MiB then come from a heap,
// and a heap keeps up to 64 MiB of a free end. Thread-safe.
void FixHeapThresholds();

// While one exists, a heap gives its free end back when 64 KiB or more come free in it at a time. An idle heap keeps
// its end. malloc_trim leaves these ends alone. A thread that runs a model meanwhile takes its memory from the system
// once more. Thread-safe.
class HeapEndsTrimmed {
 public:
  HeapEndsTrimmed();
  ~HeapEndsTrimmed();
  HeapEndsTrimmed(const HeapEndsTrimmed&) = delete;
  HeapEndsTrimmed& operator=(const HeapEndsTrimmed&) = delete;
};

}  // namespace torchferry::base
