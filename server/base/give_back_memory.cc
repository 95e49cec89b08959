#include "server/base/give_back_memory.h"

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <latch>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "server/base/heap.h"
#include "server/base/mutex.h"
#include "server/base/thread_name.h"

namespace torchferry::base {
namespace {

// glibc looks at a heap's end when a free block of this size or more comes about in it (64 KiB).
constexpr size_t kNotSmall = size_t{128} << 10;

constexpr int kMaxThreads = 1024;

// Has glibc look at the end of this thread's heap.
void TrimOwnHeap() {
  void* volatile block = std::malloc(kNotSmall);  // volatile, or a compiler would leave it out
  std::free(block);
}

}  // namespace

void GiveBackMemory() {
  static Mutex mutex;  // as many threads as there are heaps are enough at a time
  MutexLock lock(mutex);
  const HeapEndsTrimmed ends;
  TrimOwnHeap();
  std::latch all_trimmed(1);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<std::latch>> trimmed;
  try {
    // A new thread takes over the heap of one that has ended. All run at the same time, so that each takes another one.
    for (int heaps = std::min(CountHeaps(), kMaxThreads); heaps > 0; --heaps) {
      std::latch& is_trimmed = *trimmed.emplace_back(std::make_unique<std::latch>(1));
      threads.emplace_back([&] {
        NameThisThread("give-back");
        TrimOwnHeap();
        is_trimmed.count_down();
        all_trimmed.wait();
      });
    }
  } catch (const std::system_error&) {
    trimmed.pop_back();  // no more threads are to be had
  }
  for (const auto& is_trimmed : trimmed) is_trimmed->wait();
  malloc_trim(0);
  all_trimmed.count_down();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace torchferry::base
