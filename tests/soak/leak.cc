// What a soak must find: put into a server by LD_PRELOAD, it leaks memory, descriptors and threads, each second as many
// as SOAK_LEAK says: "MEMORY_KIB DESCRIPTORS THREADS". Without that variable it does nothing.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

struct Rates {
  int memory_kib = 0;
  int descriptors = 0;
  int threads = 0;
};

void LeakMemory(int kib) {
  const auto bytes = static_cast<size_t>(kib) << 10;
  void* memory = std::malloc(bytes);  // NOLINT(cppcoreguidelines-no-malloc): nobody frees it
  if (memory != nullptr) std::memset(memory, 1, bytes);
  static void* volatile last = nullptr;
  last = memory;  // so that it is not optimised away
}

void LeakForEver(Rates rates) {
  while (true) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    if (rates.memory_kib > 0) LeakMemory(rates.memory_kib);
    for (int i = 0; i < rates.descriptors; ++i) {
      if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) break;
    }
    for (int i = 0; i < rates.threads; ++i) {
      std::thread([] { pause(); }).detach();
    }
  }
}

struct Start {
  Start() {
    const char* text = std::getenv("SOAK_LEAK");
    Rates rates;
    if (text == nullptr || std::sscanf(text, "%d %d %d", &rates.memory_kib, &rates.descriptors, &rates.threads) != 3)
      return;
    std::thread(LeakForEver, rates).detach();
  }
};

const Start start;

}  // namespace
