#include "server/config/model_config.h"

#include "server/base/status.h"
#include "server/config/field_check.h"
#include "server/config/findings.h"
#include "server/config/sections.h"
#include "server/config/text_parser.h"
#include "server/config/text_positions.h"

namespace torchferry::config {

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view text, std::string_view file,
                                             std::string_view model_name) {
  FERRY_ASSIGN_OR_RETURN(inference::ModelConfig message, ParseModelConfigText(text, file));
  const TextPositions positions = TextPositions::Scan(text);
  Findings findings(file);
  CheckWellFormed(message, positions, findings);
  CheckFieldTable(message, positions, findings);

  const ConfigSource source{message, positions, findings};
  ModelConfig config;
  ReadGeneral(source, model_name, config);
  ReadTensors(source, config);
  ReadVersionPolicy(source, config);
  ReadDynamicBatching(source, config);
  ReadTorchferry(source, config);
  ReadRequestShapes(source, config);
  ReadInstanceGroups(source, config);
  ReadWarmUps(source, config);
  ReadParameters(source, config);
  FERRY_RETURN_IF_ERROR(findings.status());
  config.warnings = findings.Warnings();
  config.message = std::make_shared<const inference::ModelConfig>(std::move(message));
  return config;
}

}  // namespace torchferry::config
