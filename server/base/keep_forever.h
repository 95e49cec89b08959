// For what must not be destroyed, such as memory that a failed device may still use.
#pragma once

#include <deque>
#include <utility>

#include "server/base/mutex.h"

namespace torchferry::base {

// `value` is never destroyed. It stays reachable, so that it is no leak to a checker. Thread-safe.
template <typename T>
void KeepForever(T value) {
  static auto* const mutex = new Mutex;
  static auto* const kept = new std::deque<T>;  // which does not move what it has
  MutexLock lock(*mutex);
  kept->push_back(std::move(value));
}

}  // namespace torchferry::base
