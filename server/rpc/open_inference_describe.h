// What the Open Inference Protocol says of models, from what the registry knows.
#pragma once

#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/registry/registry.h"

namespace torchferry {

// Of a READY version; `ready` are all that are, of its model.
void DescribeModel(const VersionStatus& status, const std::vector<int64_t>& ready,
                   inference::ModelMetadataResponse& message);

// The configuration in force: what config.pbtxt leaves out is filled in as far as the loaded version knows it.
void DescribeConfig(const VersionStatus& status, inference::ModelConfig& message);

// Of a READY version. Times are exact to the nanosecond up to 2^53 of them, 104 days.
void DescribeStatistics(const VersionStatus& status, inference::ModelStatistics& message);

void DescribeIndex(const VersionStatus& status, inference::RepositoryIndexResponse::ModelIndex& message);

}  // namespace torchferry
