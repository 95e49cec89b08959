#include "server/metrics/families.h"

namespace torchferry::metrics {
namespace {

Families::Counters& MakeCounters(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r);
}
Families::Gauges& MakeGauges(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r);
}
Families::Histograms& MakeHistograms(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r);
}

}  // namespace

Families::Families(prometheus::Registry& r)
    : requests(MakeCounters(r, "torchferry_requests_total", "Requests answered, by gRPC code.")),
      request_duration(
          MakeHistograms(r, "torchferry_request_duration_seconds", "Time from a request's arrival to its answer.")),
      queue_duration(
          MakeHistograms(r, "torchferry_queue_duration_seconds", "Time that a request waited for its batch to start.")),
      compute_duration(
          MakeHistograms(r, "torchferry_compute_duration_seconds", "Time of a batch's forward pass, copies included.")),
      batch_rows(MakeHistograms(r, "torchferry_batch_rows", "Rows in a forward pass.")),
      queue_depth(MakeGauges(r, "torchferry_queue_depth", "Requests that wait for a worker.")),
      in_flight(MakeGauges(r, "torchferry_in_flight_requests", "Requests accepted and not yet answered.")),
      fallbacks(MakeCounters(r, "torchferry_fallbacks_total",
                             "Loads and batches that ran on another device than the wanted one.")),
      parity_checks(MakeCounters(r, "torchferry_parity_checks_total",
                                 "Placements that golden rows were run on, by what they said.")),
      device_up(MakeGauges(r, "torchferry_device_up", "1 while the device is used, 0 once it is lost.")),
      device_memory(MakeGauges(r, "torchferry_device_memory_bytes",
                               "Memory of a device; for the CPU this process's resident set and limit.")),
      device_utilization(MakeGauges(r, "torchferry_device_utilization_ratio",
                                    "Share of a device in use; for the CPU this process's time over its quota.")),
      device_busy(
          MakeCounters(r, "torchferry_device_busy_seconds_total", "Time that forward passes took on a device.")),
      calls_refused(MakeCounters(r, "torchferry_calls_refused_total",
                                 "Calls refused for who makes them, before their message was read.")),
      request_memory(MakeGauges(r, "torchferry_request_memory_bytes",
                                "Memory that requests and answers take of --memory-budget-mib, and that limit.")),
      memory_refusals(MakeCounters(r, "torchferry_memory_refusals_total",
                                   "Requests and answers refused for want of memory, by whose limit it was.")),
      refusals(MakeCounters(r, "torchferry_refusals_total",
                            "Requests and streams refused as there was too much of them, by the limit.")),
      model_state(MakeGauges(r, "torchferry_model_state", "1 for the state that a version is in.")),
      load_duration(MakeGauges(r, "torchferry_model_load_duration_seconds", "Time that loading a version took.")),
      log_lines_dropped(MakeCounters(r, "torchferry_log_lines_dropped_total",
                                     "Lines of the log that are missing: nobody read them, or a library or a model "
                                     "said too much.")),
      connections(MakeGauges(r, "torchferry_connections", "Connections of a gRPC listener that are open.")),
      connections_total(MakeCounters(r, "torchferry_connections_total",
                                     "Connections that came to a gRPC listener, by what became of them.")),
      tls_certificate_expiry(MakeGauges(r, "torchferry_tls_certificate_expiry_timestamp_seconds",
                                        "When the served certificate, or one of its chain, expires, as Unix time.")),
      tls_rotations(MakeCounters(r, "torchferry_tls_rotations_total",
                                 "Changes of the certificate's files, by whether they were taken.")),
      stuck_workers(MakeGauges(r, "torchferry_stuck_workers",
                               "Threads in a forward pass that is over its time limit and cannot be interrupted.")),
      stuck_loads(MakeGauges(r, "torchferry_stuck_loads",
                             "Threads in a load that is over its time limit and cannot be interrupted.")),
      suspect_versions(MakeGauges(r, "torchferry_suspect_versions",
                                  "Versions that take no requests, as a forward pass of theirs does not end.")),
      last_answer_age(
          MakeGauges(r, "torchferry_last_answer_age_seconds", "Time since a batch ended last, or since the start.")),
      build_info(MakeGauges(r, "torchferry_build_info", "A constant 1; the labels say what is running.")) {}

}  // namespace torchferry::metrics
