// Describes models in the Open Inference Protocol, from the registry's data.
#pragma once

#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/registry/registry.h"

namespace torchferry::rpc {

// Describes a READY version. `ready`: all READY versions of its model.
void DescribeModel(const registry::VersionStatus& status, const std::vector<int64_t>& ready,
                   inference::ModelMetadataResponse& message);

// The configuration in force. Fields that config.pbtxt leaves out are filled in where the loaded version knows them.
void DescribeConfig(const registry::VersionStatus& status, inference::ModelConfig& message);

// Describes a READY version. Times are exact to the nanosecond up to 2^53 ns, 104 days.
void DescribeStatistics(const registry::VersionStatus& status, inference::ModelStatistics& message);

void DescribeIndex(const registry::VersionStatus& status, inference::RepositoryIndexResponse::ModelIndex& message);

}  // namespace torchferry::rpc
