#include "server/torch/load/give_back_memory.h"

#include <malloc.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "server/base/heap.h"
#include "server/base/mutex.h"
#include "server/base/thread_name.h"

namespace torchferry::libtorch {
namespace {

// glibc looks at a heap's end when a free block of this size or more comes about in it (64 KiB).
constexpr size_t kNotSmall = size_t{128} << 10;

// A limit for the threads, should the count be wrong.
constexpr size_t kMaxHeaps = 1024;

// How many heaps (arenas) there are, the main one included.
size_t CountHeaps() {
  char* text = nullptr;
  size_t length = 0;
  std::FILE* const file = open_memstream(&text, &length);
  if (file == nullptr) return 1;
  malloc_info(0, file);
  std::fclose(file);
  constexpr std::string_view kHeap = "<heap nr=";
  const std::string_view info(text, length);
  size_t heaps = 0;
  for (size_t at = info.find(kHeap); at != std::string_view::npos && heaps < kMaxHeaps;
       at = info.find(kHeap, at + kHeap.size())) {
    ++heaps;
  }
  std::free(text);
  return heaps;
}

// Has glibc look at the end of this thread's heap.
void TrimOwnHeap() {
  void* volatile block = std::malloc(kNotSmall);  // volatile, or a compiler would leave it out
  std::free(block);
}

}  // namespace

void GiveBackMemory() {
  static base::Mutex mutex;  // as many threads as there are heaps are enough at a time
  base::MutexLock lock(mutex);
  const base::HeapEndsTrimmed ends;
  TrimOwnHeap();
  std::latch all_trimmed(1);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<std::latch>> trimmed;
  try {
    // A new thread takes over the heap of one that has ended. All run at the same time, so that each takes another one.
    for (size_t heaps = CountHeaps(); heaps > 0; --heaps) {
      std::latch& is_trimmed = *trimmed.emplace_back(std::make_unique<std::latch>(1));
      threads.emplace_back([&] {
        base::NameThisThread("give-back");
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

}  // namespace torchferry::libtorch
