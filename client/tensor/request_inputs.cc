#include "client/tensor/request_inputs.h"

#include <random>
#include <set>
#include <utility>

#include "client/tensor/file.h"
#include "client/tensor/input_argument.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// Protobuf's own limit.
constexpr size_t kMaxMessageBytes = (size_t{1} << 31) - 1;

// Standard input once, and that for one input.
class FileReader {
 public:
  explicit FileReader(std::istream& in) : in_(in) {}

  absl::StatusOr<std::string> Read(const std::string& path) {
    if (path != "-") return ReadFile(path);
    if (std::exchange(has_read_input_, true)) {
      return absl::InvalidArgumentError("@- is standard input, which just one input can read");
    }
    return ReadStream(in_);
  }

 private:
  std::istream& in_;
  bool has_read_input_ = false;
};

}  // namespace

absl::StatusOr<NamedArrays> ResolveInputs(const std::vector<std::string>& arguments, std::optional<uint64_t> seed,
                                          const v1::ModelVersion& model, const Console& console) {
  std::mt19937_64 random(seed ? *seed : std::random_device()());
  FileReader reader(console.in);
  const InputSources sources{[&](const std::string& path) { return reader.Read(path); }, &random};
  NamedArrays inputs;
  size_t bytes = 0;
  std::set<std::string> names;
  for (const std::string& text : arguments) {
    FERRY_ASSIGN_OR_RETURN(const InputArgument argument, ParseInputArgument(text, model));
    if (!names.insert(argument.name).second) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "input {} is given twice", argument.name);
    }
    FERRY_ASSIGN_OR_RETURN(ResolvedInput input, ResolveInput(argument, model, sources));
    for (const std::string& note : input.notes) {
      PrintNote(console, fmt::format("input {}: {}", argument.name, note));
    }
    bytes += input.array.data.size();
    if (bytes > kMaxMessageBytes) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "the inputs up to {} have {} bytes, more than a message holds: send fewer rows",
                              argument.name, bytes);
    }
    inputs.emplace_back(argument.name, std::move(input.array));
  }
  return inputs;
}

}  // namespace torchferry::client
