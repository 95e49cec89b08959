#include "server/rpc/predict/stream_sessions.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry::rpc {

StreamSessions::~StreamSessions() {
  std::vector<Entry> last;  // dropped without the lock
  {
    base::MutexLock lock(entries_->mutex);
    last.swap(entries_->list);
  }
  for (const Entry& entry : last) {
    if (entry.servable != nullptr) entry.servable->Unsubscribe(entry.subscription);
  }
}

absl::StatusOr<std::shared_ptr<serving::Servable>> StreamSessions::Find(const std::string& model,
                                                                        int64_t version) const {
  base::MutexLock lock(entries_->mutex);
  for (const Entry& entry : entries_->list) {
    if (entry.model != model) continue;
    const bool is_asked_for = version == 0 ? entry.is_newest : entry.version == version;
    if (!is_asked_for) continue;
    if (entry.servable != nullptr) return entry.servable;
    return base::MakeStatus(
        absl::StatusCode::kNotFound,
        "model \"{}\" version {} was unloaded, and with it the state of this stream; open a new stream", model,
        entry.version);
  }
  return nullptr;
}

absl::Status StreamSessions::TakePlace(Flights& flights, const std::string& model,
                                       const serving::FlightLimits& limits) {
  if (limits.streams == 0 || places_.contains(model)) return absl::OkStatus();
  FERRY_ASSIGN_OR_RETURN(Flights::Place place, flights.Enter(FlightOf::kModel, model, limits, {.streams = 1}));
  places_.emplace(model, std::move(place));
  return absl::OkStatus();
}

bool StreamSessions::HasState() const {
  base::MutexLock lock(entries_->mutex);
  return std::ranges::any_of(entries_->list, [](const Entry& entry) { return entry.session != nullptr; });
}

namespace {

// For one request.
absl::StatusOr<std::shared_ptr<serving::Session>> UseOf(const std::shared_ptr<serving::Session>& session,
                                                        const serving::Servable& servable) {
  std::shared_ptr<serving::Session> use = serving::Session::Use(session);
  if (use != nullptr) return use;
  return base::MakeStatus(absl::StatusCode::kAborted,
                          "model \"{}\" version {}: this stream was idle and lost its state to another stream "
                          "(--stateful-stream-idle-seconds, --max-stateful-streams); open a new stream and begin again",
                          servable.name(), servable.version());
}

}  // namespace

absl::StatusOr<std::shared_ptr<serving::Session>> StreamSessions::SessionWith(
    const std::shared_ptr<serving::Servable>& servable, int64_t version) {
  if (!servable->is_stateful()) return nullptr;
  {
    base::MutexLock lock(entries_->mutex);
    const auto entry = std::ranges::find(entries_->list, servable, &Entry::servable);
    if (entry != entries_->list.end()) {
      entry->is_newest = entry->is_newest || version == 0;
      return UseOf(entry->session, *servable);
    }
  }
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<serving::Session> session, servable->OpenSession());
  {
    base::MutexLock lock(entries_->mutex);
    entries_->list.push_back({servable->name(), servable->version(), servable, session, version == 0, 0});
  }
  const int subscription = servable->OnUnload([entries = std::weak_ptr<Entries>(entries_), unloaded = servable.get()] {
    const std::shared_ptr<Entries> alive = entries.lock();
    if (alive == nullptr) return;
    Entry last;  // likewise
    base::MutexLock lock(alive->mutex);
    for (Entry& entry : alive->list) {
      if (entry.servable.get() != unloaded) continue;
      last.servable = std::exchange(entry.servable, nullptr);
      last.session = std::exchange(entry.session, nullptr);
    }
  });
  base::MutexLock lock(entries_->mutex);
  const auto entry = std::ranges::find(entries_->list, servable, &Entry::servable);
  if (entry != entries_->list.end()) entry->subscription = subscription;
  return UseOf(session, *servable);
}

}  // namespace torchferry::rpc
