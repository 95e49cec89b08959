#include "server/base/thread_name.h"

#include <pthread.h>

#include <string>

namespace torchferry::base {

void NameThisThread(std::string_view name) {
  constexpr size_t kMaxBytes = 15;
  pthread_setname_np(pthread_self(), std::string(name.substr(0, kMaxBytes)).c_str());
}

}  // namespace torchferry::base
