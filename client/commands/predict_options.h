// The values of the flags of `predict`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::client {

struct PredictOptions {
  std::string model;                 // MODEL[:VERSION]
  std::vector<std::string> inputs;   // NAME[:DTYPE]=VALUE
  std::vector<std::string> outputs;  // the wanted outputs; empty: all
  std::vector<std::string> save;     // NAME=FILE.npy
  std::string request_id;
  std::optional<uint64_t> seed;  // for `random`
  bool stream = false;           // run PredictStream instead
};

}  // namespace torchferry::client
