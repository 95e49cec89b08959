#include "server/base/heap.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "server/base/mutex.h"

namespace torchferry::base {
namespace {

constexpr int kMinHeaps = 4;
constexpr double kMaxProcessors = 1024;

// The largest values that glibc lets its own rule choose.
constexpr int kMaxBlock = 32 << 20;
constexpr int kMaxEnd = 64 << 20;

// Whether the user has chosen a number.
bool IsChosen() {
  const char* const tunables = std::getenv("GLIBC_TUNABLES");
  return std::getenv("MALLOC_ARENA_MAX") != nullptr ||
         (tunables != nullptr && std::string_view(tunables).find("glibc.malloc.arena_max") != std::string_view::npos);
}

// The threshold is the process's.
struct Ends {
  Mutex mutex;
  int trimmers FERRY_GUARDED_BY(mutex) = 0;
};

Ends& TheEnds() {
  static Ends ends;
  return ends;
}

}  // namespace

int HeapsFor(double processors) {
  return std::max(kMinHeaps, 2 * static_cast<int>(std::ceil(std::clamp(processors, 1.0, kMaxProcessors))));
}

void SetUpHeaps(double processors) {
  if (!IsChosen()) mallopt(M_ARENA_MAX, HeapsFor(processors));
  FixHeapThresholds();
}

int CountHeaps() {
  char* text = nullptr;
  size_t length = 0;
  std::FILE* const file = open_memstream(&text, &length);
  if (file == nullptr) return 1;
  malloc_info(0, file);
  std::fclose(file);
  constexpr std::string_view kHeap = "<heap nr=";
  const std::string_view info(text, length);
  int heaps = 0;
  for (size_t at = info.find(kHeap); at != std::string_view::npos; at = info.find(kHeap, at + kHeap.size())) ++heaps;
  std::free(text);
  return heaps;
}

void FixHeapThresholds() {
  Ends& ends = TheEnds();
  MutexLock lock(ends.mutex);
  mallopt(M_MMAP_THRESHOLD, kMaxBlock);
  if (ends.trimmers == 0) mallopt(M_TRIM_THRESHOLD, kMaxEnd);
}

HeapEndsTrimmed::HeapEndsTrimmed() {
  FixHeapThresholds();  // setting one of them ends glibc's own rule for both
  Ends& ends = TheEnds();
  MutexLock lock(ends.mutex);
  if (ends.trimmers++ == 0) mallopt(M_TRIM_THRESHOLD, 0);
}

HeapEndsTrimmed::~HeapEndsTrimmed() {
  Ends& ends = TheEnds();
  MutexLock lock(ends.mutex);
  if (--ends.trimmers == 0) mallopt(M_TRIM_THRESHOLD, kMaxEnd);
}

}  // namespace torchferry::base
