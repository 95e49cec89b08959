// `models` and `model`.
#include <ostream>

#include "client/commands/commands.h"
#include "client/commands/model_ref.h"
#include "client/commands/model_text.h"
#include "server/base/status.h"

namespace torchferry::client {

absl::StatusOr<ExitCode> ListModels(Connection& connection, const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const v1::ListModelsResponse response, connection.ListModels());
  if (console.json) {
    console.out << DumpJson(ToJson(response.versions()));
  } else {
    console.out << ModelTable(response.versions(), console);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ShowModel(const std::string& model, Connection& connection, const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(model));
  FERRY_ASSIGN_OR_RETURN(const v1::GetModelResponse response, connection.GetModel(ref.name, ref.version));
  if (console.json) {
    console.out << DumpJson(ToJson(response.versions()));
  } else {
    console.out << ModelDetails(response.versions(), console);
  }
  return ExitCode::kOk;
}

}  // namespace torchferry::client
