#include "server/rpc/stream_sessions.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry {

std::shared_ptr<Servable> StreamSessions::Find(const std::string& model, int64_t version) const {
  for (const Entry& entry : entries_) {
    if (entry.servable->name() != model) continue;
    const bool is_asked_for = version == 0 ? entry.is_newest : entry.servable->version() == version;
    if (is_asked_for) return entry.servable;
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<Session>> StreamSessions::SessionWith(
    const std::shared_ptr<Servable>& servable, int64_t version) {
  if (!servable->is_stateful()) return nullptr;
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& candidate) { return candidate.servable == servable; });
  if (entry == entries_.end()) {
    TF_ASSIGN_OR_RETURN(std::shared_ptr<Session> session, servable->OpenSession());
    entry = entries_.insert(entry, Entry{servable, std::move(session), false});
  }
  entry->is_newest = entry->is_newest || version == 0;
  return entry->session;
}

}  // namespace torchferry
