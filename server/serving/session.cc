#include "server/serving/session.h"

#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/serving/leaked_on_loss.h"

namespace torchferry::serving {

std::shared_ptr<Session> SessionLimit::Open(const std::shared_ptr<SessionLimit>& places) {
  places->EndIdle();
  int64_t open = places->open_;
  do {
    if (open >= places->limit_) return nullptr;
  } while (!places->open_.compare_exchange_weak(open, open + 1));
  auto session = std::make_shared<Session>(places, ++places->last_key_);
  base::MutexLock lock(places->mutex_);
  places->sessions_.emplace(session->ordering_key(), session);
  return session;
}

void SessionLimit::EndIdle() {
  // Dropped without a lock: the last one of a session takes it, and a copy of a model takes its time.
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<model::Model>> copies;
  base::MutexLock lock(mutex_);
  const base::TimePoint now = clock_.Now();
  Session* idlest = nullptr;
  base::Duration longest = base::Duration::zero();
  for (const auto& [ordering_key, weak] : sessions_) {
    const std::shared_ptr<Session> session = weak.lock();
    if (session == nullptr) continue;
    sessions.push_back(session);
    const base::Duration idle = session->IdleAt(now);
    if (idle >= max_idle_ && idle > base::Duration::zero()) {
      copies.push_back(session->GiveWay());
    } else if (idle > longest) {
      longest = idle;
      idlest = session.get();
    }
  }
  if (open_ >= limit_ && idlest != nullptr && longest >= kLeastIdle) copies.push_back(idlest->GiveWay());
}

Session::Session(std::shared_ptr<SessionLimit> places, uint64_t ordering_key)
    : places_(std::move(places)), ordering_key_(ordering_key), idle_since_(places_->clock_.Now()) {}

Session::~Session() {
  {
    base::MutexLock lock(mutex_);
    if (!has_given_way_) --places_->open_;
  }
  base::MutexLock lock(places_->mutex_);
  places_->sessions_.erase(ordering_key_);
}

std::shared_ptr<Session> Session::Use(const std::shared_ptr<Session>& session) {
  {
    base::MutexLock lock(session->mutex_);
    if (session->has_given_way_) return nullptr;
    ++session->uses_;
  }
  const std::shared_ptr<void> use(nullptr, [session](void*) { session->EndUse(); });
  return {use, session.get()};
}

void Session::EndUse() {
  base::MutexLock lock(mutex_);
  --uses_;
  idle_since_ = places_->clock_.Now();
}

base::Duration Session::IdleAt(base::TimePoint now) {
  base::MutexLock lock(mutex_);
  return uses_ > 0 || has_given_way_ ? base::Duration::zero() : now - idle_since_;
}

std::shared_ptr<model::Model> Session::GiveWay() {
  base::MutexLock lock(mutex_);
  if (uses_ > 0 || has_given_way_) return nullptr;
  has_given_way_ = true;
  --places_->open_;
  return std::move(model_);
}

absl::StatusOr<model::Model*> Session::ModelFrom(const model::Model& loaded,
                                                 const std::shared_ptr<const DeviceHealth>& health) {
  if (model_ == nullptr) {
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> copy, loaded.Clone());
    model_ = LeakedOnLoss(std::move(copy), health);
  }
  return model_.get();
}

}  // namespace torchferry::serving
