// Counts the acceptor's events as metrics of its listener.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "server/metrics/metrics.h"
#include "server/rpc/transport/acceptor.h"

namespace torchferry::rpc {

class ConnectionMetrics final : public Acceptor::Observer {
 public:
  // `listener` is a label. `on_change` is called when connections start or stop being accepted, on the acceptor's
  // thread.
  ConnectionMetrics(std::string listener, metrics::Metrics& metrics, std::function<void()> on_change)
      : listener_(std::move(listener)), metrics_(metrics), on_change_(std::move(on_change)) {}

  void OnAccepted() override { metrics_.ConnectionCame(listener_, "accepted"); }
  void OnRefused(ConnectionVerdict why) override {
    metrics_.ConnectionCame(listener_, why == ConnectionVerdict::kTooMany ? "too_many" : "too_many_of_peer");
  }
  void OnEndedUnfinished() override { metrics_.ConnectionCame(listener_, "ended_unfinished"); }
  void OnAcceptFailed() override { metrics_.ConnectionCame(listener_, "failed"); }
  void OnOpen(size_t connections) override { metrics_.SetConnections(listener_, static_cast<double>(connections)); }
  void OnChange() override { on_change_(); }

 private:
  const std::string listener_;
  metrics::Metrics& metrics_;
  const std::function<void()> on_change_;
};

}  // namespace torchferry::rpc
