#include "client/commands/predict_stream.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "client/commands/model_ref.h"
#include "client/commands/prediction_text.h"
#include "client/commands/ready_version.h"
#include "client/rpc/errors.h"
#include "client/tensor/input_steps.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// Prints the answers, which come in the order of the steps, and adds them up.
class Answers {
 public:
  Answers(const v1::ModelVersion& model, const Console& console, int64_t steps)
      : model_(model), console_(console), steps_(steps) {}

  absl::Status Add(v1::PredictStreamResponse answer) {
    const int64_t step = count_++;
    if (answer.error_code() != 0) {
      Fail(step, FromServer(absl::Status(static_cast<absl::StatusCode>(answer.error_code()), answer.error_message())));
      return absl::OkStatus();
    }
    FERRY_ASSIGN_OR_RETURN(const Prediction prediction,
                           Prediction::Read(std::move(*answer.mutable_response()), model_));
    last_run_ = prediction.execution();
    version_ = prediction.model_version();
    compute_seconds_ += last_run_.compute_seconds();
    if (console_.json) {
      nlohmann::ordered_json document = {{"step", step}};
      document.update(prediction.Json());
      console_.out << DumpJson(document);
    } else {
      console_.out << fmt::format("step {}  {}\n", Padded(step), prediction.Line());
    }
    console_.out.flush();
    return absl::OkStatus();
  }

  // The last line, and how the command ends.
  absl::StatusOr<ExitCode> Finish() const {
    if (count_ < steps_) {
      return FromServer(base::MakeStatus(absl::StatusCode::kInternal,
                                         "the server ended the stream after {} of {} answers", count_, steps_));
    }
    if (!console_.json) console_.out << Summary();
    return ExitCodeOf(first_error_);
  }

 private:
  void Fail(int64_t step, const absl::Status& error) {
    ++failed_;
    if (first_error_.ok()) first_error_ = error;
    const std::string code = base::CodeName(error.code());
    if (console_.json) {
      console_.out << DumpJson({{"step", step}, {"error", {{"code", code}, {"message", base::MessageOf(error)}}}});
      console_.out.flush();
    } else {
      console_.err << fmt::format("step {}  {}: {}\n", Padded(step), code, Printable(base::MessageOf(error)));
    }
  }

  std::string Padded(int64_t step) const { return fmt::format("{:>{}}", step, std::to_string(steps_ - 1).size()); }

  std::string Summary() const {
    std::string text = fmt::format("{} step{}", steps_, steps_ == 1 ? "" : "s");
    if (failed_ > 0) text += fmt::format(", {} failed", failed_);
    if (failed_ == steps_) return text + "\n";
    text += fmt::format(" · device {} · version {} · compute {} a step", Printable(last_run_.device()), version_,
                        FormatSeconds(compute_seconds_ / static_cast<double>(steps_ - failed_)));
    if (last_run_.fallback()) {
      text += fmt::format(" · fallback: {}", Printable(last_run_.fallback_reason()));
    }
    return text + "\n";
  }

  const v1::ModelVersion& model_;
  const Console& console_;
  const int64_t steps_;
  int64_t count_ = 0;
  int64_t failed_ = 0;
  absl::Status first_error_;
  v1::Execution last_run_;
  int64_t version_ = 0;
  double compute_seconds_ = 0;
};

}  // namespace

absl::StatusOr<ExitCode> PredictStream(const PredictOptions& options, Connection& connection, const Console& console) {
  if (!options.save.empty()) {
    return absl::InvalidArgumentError(
        "--save writes the output of one request, --stream makes many; use --json for scripts");
  }
  FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(options.model));
  FERRY_ASSIGN_OR_RETURN(const v1::ModelVersion model, FindReadyVersion(ref, connection));
  FERRY_ASSIGN_OR_RETURN(NamedArrays inputs, ResolveInputs(options.inputs, options.seed, model, console));
  FERRY_ASSIGN_OR_RETURN(const InputSteps steps, InputSteps::Create(std::move(inputs), model));
  for (const std::string& note : steps.notes()) PrintNote(console, note);

  int64_t sent = 0;
  const auto next = [&](v1::PredictRequest* request) {
    if (sent == steps.count()) return false;
    request->set_model_name(ref.name);
    request->set_model_version(ref.version);
    request->set_request_id(options.request_id);
    request->mutable_outputs()->Add(options.outputs.begin(), options.outputs.end());
    steps.SetInputs(sent++, request);
    return true;
  };
  Answers answers(model, console, steps.count());
  FERRY_RETURN_IF_ERROR(
      connection.PredictStream(next, [&](v1::PredictStreamResponse answer) { return answers.Add(std::move(answer)); }));
  return answers.Finish();
}

}  // namespace torchferry::client
