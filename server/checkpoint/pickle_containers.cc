// Opcodes of the stack and of tuples, lists and dicts.
#include <array>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/pickle_machine.h"

namespace torchferry::checkpoint {

absl::Status PickleMachine::Mark() {
  if (marks_.size() >= limits::kMaxPickleMarks) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "values nest more than {} deep", limits::kMaxPickleMarks);
  }
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::Status PickleMachine::PopOne() {
  const bool only_mark = !marks_.empty() && marks_.back() == stack_.size();
  return only_mark ? PopMark() : Pop().status();
}

absl::Status PickleMachine::PopMark() { return PopToMark().status(); }

absl::Status PickleMachine::Dup() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef top, Top());
  return PushRef(top);
}

template <PickleKind kKind>
absl::Status PickleMachine::Empty() {
  PickleNode node;
  node.kind = kKind;
  return Push(std::move(node));
}
template absl::Status PickleMachine::Empty<PickleKind::kTuple>();
template absl::Status PickleMachine::Empty<PickleKind::kList>();
template absl::Status PickleMachine::Empty<PickleKind::kDict>();

template <PickleKind kKind>
absl::Status PickleMachine::FromMark() {
  PickleNode node;
  node.kind = kKind;
  FERRY_ASSIGN_OR_RETURN(node.items, PopToMark());
  if (kKind == PickleKind::kDict && node.items.size() % 2 != 0) {
    return absl::DataLossError("a key has no value");
  }
  return Push(std::move(node));
}
template absl::Status PickleMachine::FromMark<PickleKind::kTuple>();
template absl::Status PickleMachine::FromMark<PickleKind::kList>();
template absl::Status PickleMachine::FromMark<PickleKind::kDict>();

template <size_t kCount>
absl::Status PickleMachine::ShortTuple() {
  PickleNode node;
  node.kind = PickleKind::kTuple;
  node.items.resize(kCount);
  for (size_t i = kCount; i-- > 0;) {
    FERRY_ASSIGN_OR_RETURN(node.items[i], Pop());
  }
  return Push(std::move(node));
}
template absl::Status PickleMachine::ShortTuple<1>();
template absl::Status PickleMachine::ShortTuple<2>();
template absl::Status PickleMachine::ShortTuple<3>();

absl::Status PickleMachine::Append() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef item, Pop());
  return Extend(PickleKind::kList, std::array{item});
}

absl::Status PickleMachine::Appends() {
  FERRY_ASSIGN_OR_RETURN(const std::vector<PickleRef> items, PopToMark());
  return Extend(PickleKind::kList, items);
}

absl::Status PickleMachine::SetItem() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef value, Pop());
  FERRY_ASSIGN_OR_RETURN(const PickleRef key, Pop());
  return Extend(PickleKind::kDict, std::array{key, value});
}

absl::Status PickleMachine::SetItems() {
  FERRY_ASSIGN_OR_RETURN(const std::vector<PickleRef> items, PopToMark());
  if (items.size() % 2 != 0) return absl::DataLossError("a key has no value");
  return Extend(PickleKind::kDict, items);
}

absl::Status PickleMachine::Extend(PickleKind kind, std::span<const PickleRef> items) {
  FERRY_ASSIGN_OR_RETURN(const PickleRef target, Top());
  PickleNode& node = tree_.nodes[target];
  if (node.kind == kind) {
    node.items.insert(node.items.end(), items.begin(), items.end());
    return absl::OkStatus();
  }
  // An instance of a foreign class that is a list or a dict; what it holds does not matter any
  // more.
  if (IsForeign(node)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDataLoss, "on a {}, which is no {}", Name(node.kind), Name(kind));
}

}  // namespace torchferry::checkpoint
