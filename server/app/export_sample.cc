// torchferry-export-sample MODEL_DIR OUT.pt: writes a state_dict with its forward.py (MODEL_DIR/1/FILE,
// MODEL_DIR/forward.py) as one TorchScript archive. deploy/fetch-samples.sh makes the store's TorchScript sample with
// it, so that no Python PyTorch is needed.
#include <cstdio>
#include <filesystem>

#include "server/base/status.h"
#include "server/torch/load/loader.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL_DIR OUT.pt\n", argv[0]);
    return 2;
  }
  const std::filesystem::path folder = std::filesystem::absolute(argv[1]).lexically_normal();
  torchferry::plan::LoadRequest request;
  request.store = folder.parent_path().string();
  request.model = folder.filename().string();
  request.version = 1;
  request.host.devices = {torchferry::tensor::DeviceId::Cpu()};
  request.host.device_types = {"cpu"};
  const absl::Status status = torchferry::libtorch::ExportTorchScript(request, argv[2]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", torchferry::base::MessageOf(status).c_str());
    return 1;
  }
  return 0;
}
