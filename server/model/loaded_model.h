// What loading a version gives: the model and the facts about its file and its placement.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/model/model.h"

namespace torchferry {

// A version's file and where it was put, as GetModel shows them. Plain facts, nothing decides by them.
struct ModelInfo {
  std::string file_path;  // in the store
  std::string format;
  std::string producer;
  std::vector<std::string> saved_devices;
  std::vector<std::string> saved_dtypes;
  int64_t file_bytes = 0;
  std::string sha256;
  std::string architecture;      // path in the store; empty for TorchScript
  std::string state_dict_key;    // of a training checkpoint
  std::vector<std::string> removed_prefixes;
  std::string requested_device;  // "auto", "cuda:1"
  bool fallback = false;
  std::string fallback_reason;
  std::vector<std::string> decisions;
};

// A model that was loaded, before it is served.
struct LoadedModel {
  std::shared_ptr<Model> model;
  ModelInfo info;
};

}  // namespace torchferry
