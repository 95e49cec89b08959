#include "server/torch/load/give_back_memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <latch>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "server/base/thread_name.h"

namespace torchferry::libtorch {
namespace {

// Together what a thread's heap has at most (glibc's HEAP_MAX_SIZE), in pieces below what it would map by itself.
constexpr size_t kPiece = size_t{4} << 20;
constexpr size_t kPieces = 16;
// Too large for the caches of small blocks.
constexpr size_t kPin = 4096;

// A heap's free end, which malloc_trim passes over, becomes a free block in its middle, which malloc_trim gives back.
// Nothing is written to it, so that it takes no memory that is not there.
class PinnedHeap {
 public:
  PinnedHeap() {
    std::array<void* volatile, kPieces> free_end;  // volatile, or a compiler would leave it out
    for (void* volatile& piece : free_end) piece = std::malloc(kPiece);
    pin_ = std::malloc(kPin);
    for (void* volatile& piece : free_end) std::free(piece);
  }
  ~PinnedHeap() { std::free(pin_); }
  PinnedHeap(const PinnedHeap&) = delete;
  PinnedHeap& operator=(const PinnedHeap&) = delete;

 private:
  void* pin_;
};

// As many as glibc makes.
size_t MostHeaps() { return std::clamp<size_t>(size_t{8} * std::thread::hardware_concurrency(), 8, 256); }

}  // namespace

void GiveBackMemory() {
  const PinnedHeap own;
  std::latch trimmed(1);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<std::latch>> pinned;
  try {
    // A new thread takes over the heap of one that has ended; all of them at the same time, each another one.
    while (threads.size() < MostHeaps()) {
      std::latch& is_pinned = *pinned.emplace_back(std::make_unique<std::latch>(1));
      threads.emplace_back([&] {
        base::NameThisThread("give-back");
        const PinnedHeap heap;
        is_pinned.count_down();
        trimmed.wait();
      });
    }
  } catch (const std::system_error&) {
    pinned.pop_back();  // no more threads are to be had
  }
  for (const auto& is_pinned : pinned) is_pinned->wait();
  malloc_trim(0);
  trimmed.count_down();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace torchferry::libtorch
