#include "server/serving/batch_split.h"

#include <iterator>
#include <utility>

namespace torchferry::serving {
namespace {

// Leaves the first `kept` requests in `batch` and gives the others.
Batch CutAt(Batch& batch, size_t kept) {
  Batch rest(std::make_move_iterator(batch.begin() + static_cast<int64_t>(kept)), std::make_move_iterator(batch.end()));
  batch.resize(kept);
  return rest;
}

}  // namespace

int64_t RowsIn(const Batch& batch) {
  int64_t rows = 0;
  for (const auto& task : batch) rows += task->rows;
  return rows;
}

std::vector<Batch> InOrder(Batch first, Batch second) {
  std::vector<Batch> batches(2);
  batches[0] = std::move(first);
  batches[1] = std::move(second);
  return batches;
}

std::vector<Batch> Halves(Batch batch) {
  Batch second = CutAt(batch, (batch.size() + 1) / 2);
  return InOrder(std::move(batch), std::move(second));
}

std::vector<Batch> Singles(Batch batch) {
  std::vector<Batch> singles(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) singles[i].push_back(std::move(batch[i]));
  return singles;
}

Batch TakeAfter(Batch& batch, int64_t rows) {
  size_t kept = 1;
  int64_t sum = batch.at(0)->rows;
  while (kept < batch.size() && sum + batch[kept]->rows <= rows) sum += batch[kept++]->rows;
  return CutAt(batch, kept);
}

}  // namespace torchferry::serving
