// Keeps values that must not be destroyed, such as memory that a failed device may still use.
#pragma once

#include <deque>
#include <utility>

#include "server/base/mutex.h"

namespace torchferry::base {

// Never destroys `value`. It stays reachable, so leak checkers do not report it. Thread-safe.
template <typename T>
void KeepForever(T value) {
  static auto* const mutex = new Mutex;
  static auto* const kept = new std::deque<T>;  // which does not move its elements
  MutexLock lock(*mutex);
  kept->push_back(std::move(value));
}

}  // namespace torchferry::base
