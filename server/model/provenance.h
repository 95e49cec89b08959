// Where a version comes from, as its passport says. No decision depends on it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::model {

// A text is empty where the passport does not give it.
struct Provenance {
  std::string saved_device;  // that the model was on when it was saved: "cuda:0"
  std::vector<std::string> saved_dtypes;
  std::string torch_version;
  std::string created;  // ISO 8601
  std::string program;  // how its code was saved: "torch.export", "torchscript-script"
  std::string git_commit;
  std::optional<bool> git_dirty;
  std::string run_id;
  std::map<std::string, double> metrics;
  std::string source;  // "hf://org/repo@rev"
  std::string sha256;  // of the data fetched from there

  bool operator==(const Provenance&) const = default;
};

}  // namespace torchferry::model
