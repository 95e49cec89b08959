// What the flags of `predict` say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::client {

struct PredictOptions {
  std::string model;                 // MODEL[:VERSION]
  std::vector<std::string> inputs;   // NAME[:DTYPE]=VALUE
  std::vector<std::string> outputs;  // those wanted; empty: all
  std::vector<std::string> save;     // NAME=FILE.npy
  std::string request_id;
  std::optional<uint64_t> seed;  // of `random`
  bool stream = false;           // PredictStream instead
};

}  // namespace torchferry::client
