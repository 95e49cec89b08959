#include "server/registry/registry.h"

#include <optional>
#include <utility>

namespace torchferry::registry {
namespace {

VersionTable::Show ShowIn(metrics::Metrics& metrics) {
  return [&metrics](const std::string& model, int64_t version, std::optional<VersionState> state) {
    if (state.has_value()) {
      metrics.SetModelState(model, version, std::string(Name(*state)), VersionStateNames());
    } else {
      metrics.ForgetModel(model, version, VersionStateNames());
    }
  };
}

}  // namespace

Registry::Registry(ServableFactory factory, metrics::Metrics& metrics, const base::Clock& clock, Options options)
    : table_(ShowIn(metrics)),
      lifecycle_(std::move(factory), table_, metrics, clock, std::move(options.on_unloaded), std::move(options.marks)),
      pool_(options.loading, clock),
      reconciler_(table_, lifecycle_, pool_,
                  {.store = std::move(options.store),
                   .is_stopping = [this] { return jobs_.stopping(); },
                   .post = [this](Step step) { jobs_.Add(std::move(step)); },
                   .load_limit = std::move(options.load_limit)}) {}

Registry::~Registry() { Stop(); }

void Registry::StartLoading() {
  jobs_.Add([this](bool is_dropped) {
    if (!is_dropped) reconciler_.LoadPending();
  });
  jobs_.Start();
}

void Registry::Stop() {
  jobs_.Stop();
  pool_.Stop();  // whose last steps are dropped
  reconciler_.DropWaiting();
  table_.Clear();
  lifecycle_.Stop();  // every version ends, and so everyone who waits for one is answered
}

void Registry::Load(const std::string& model, const std::vector<int64_t>& versions, Done done) {
  jobs_.Add([this, model, versions, done = std::move(done)](bool is_dropped) {
    is_dropped ? done(Stopping()) : reconciler_.LoadModel(model, versions, done);
  });
}

void Registry::Unload(const std::string& model, int64_t version, Done done) {
  jobs_.Add([this, model, version, done = std::move(done)](bool is_dropped) {
    if (is_dropped) return done(Stopping());
    reconciler_.Unload(model, version, done);
  });
}

void Registry::Rescan(Done done) {
  jobs_.Add(
      [this, done = std::move(done)](bool is_dropped) { is_dropped ? done(Stopping()) : reconciler_.Rescan(done); });
}

}  // namespace torchferry::registry
