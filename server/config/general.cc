// The fields that stand alone: names, platform, files, the largest batch.
#include <algorithm>
#include <string>
#include <string_view>

#include "server/base/json.h"
#include "server/config/sections.h"

namespace torchferry::config {
namespace {

// Platforms and backends of Triton that people move from, and the way over.
std::string_view WayOver(std::string_view engine) {
  if (engine.starts_with("onnx") || engine.starts_with("tensorrt") || engine.starts_with("tensorflow") ||
      engine == "openvino") {
    return "; this server runs PyTorch models: export the model to TorchScript or save its "
           "state_dict";
  }
  if (engine == "python") {
    return "; no Python runs here: script the model, or write its forward pass in forward.py";
  }
  if (engine == "ensemble") return "; call the models one after another from the client";
  return "";
}

void CheckEngine(const ConfigSource& source) {
  const std::string& platform = source.message.platform();
  if (!platform.empty() && platform != "pytorch_libtorch" && platform != "torchferry") {
    source.findings.Error(source.positions.Of("platform"),
                          "platform is {}; expected \"pytorch_libtorch\" or \"torchferry\"{}",
                          base::JsonQuote(platform), WayOver(platform));
  }
  const std::string& backend = source.message.backend();
  if (!backend.empty() && backend != "pytorch" && backend != "torchferry") {
    source.findings.Error(source.positions.Of("backend"), "backend is {}; expected \"pytorch\" or \"torchferry\"{}",
                          base::JsonQuote(backend), WayOver(backend));
  }
  const std::string& runtime = source.message.runtime();
  if (!runtime.empty() && runtime != "libtriton_pytorch.so") {
    source.findings.Error(source.positions.Of("runtime"),
                          "runtime is {}; expected nothing: models run in the server itself, "
                          "without Python",
                          base::JsonQuote(runtime));
  }
}

}  // namespace

void CheckFileName(std::string_view field, std::string_view name, TextPosition at, Findings& findings) {
  const bool is_plain = std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F || c == '/' || c == '\\';
  });
  if (is_plain && name != "." && name != ".." && name.size() <= 255) return;
  findings.Error(at, "{} is {}; expected the name of a file in the model's folder, without a path", field,
                 base::JsonQuote(name));
}

void ReadGeneral(const ConfigSource& source, std::string_view model_name, ModelConfig& config) {
  const inference::ModelConfig& message = source.message;
  config.name = model_name;
  if (!message.name().empty() && message.name() != model_name) {
    source.findings.Error(source.positions.Of("name"), "name is {}; expected the folder's name, {}, or no name",
                          base::JsonQuote(message.name()), base::JsonQuote(model_name));
  }
  CheckEngine(source);
  config.default_model_filename = message.default_model_filename();
  CheckFileName("default_model_filename", config.default_model_filename, source.positions.Of("default_model_filename"),
                source.findings);
  config.max_batch_size = message.max_batch_size();
  config.is_max_batch_size_given = source.positions.Has("max_batch_size");
  if (config.max_batch_size < 0) {
    source.findings.Error(source.positions.Of("max_batch_size"),
                          "max_batch_size is {}; expected 0 (tensors have no batch dimension) or more",
                          config.max_batch_size);
  }
}

}  // namespace torchferry::config
