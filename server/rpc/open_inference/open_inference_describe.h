// What the Open Inference Protocol says of models, from what the registry knows.
#pragma once

#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/registry/registry.h"

namespace torchferry::rpc {

// Of a READY version; `ready` are all that are, of its model.
void DescribeModel(const registry::VersionStatus& status, const std::vector<int64_t>& ready,
                   inference::ModelMetadataResponse& message);

// The configuration in force: what config.pbtxt leaves out is filled in as far as the loaded version knows it.
void DescribeConfig(const registry::VersionStatus& status, inference::ModelConfig& message);

// Of a READY version. Times are exact to the nanosecond up to 2^53 of them, 104 days.
void DescribeStatistics(const registry::VersionStatus& status, inference::ModelStatistics& message);

void DescribeIndex(const registry::VersionStatus& status, inference::RepositoryIndexResponse::ModelIndex& message);

}  // namespace torchferry::rpc
