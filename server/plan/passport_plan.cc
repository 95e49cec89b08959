#include "server/plan/passport_plan.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/checkpoint/passport_text.h"
#include "server/plan/passport.h"
#include "server/plan/passport_config.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;

constexpr std::string_view kWayOut = "write the passport anew, as torchferry.save does, or remove it";

std::string NameOf(const checkpoint::File& file) { return fmt::format("the passport in {}", file.name()); }

// Says which passport is wrong.
absl::Status Of(const std::string& name, const absl::Status& status) {
  return base::MakeStatus(status.code(), "{}: {}; {}", name, base::MessageOf(status), kWayOut);
}

struct Source {
  std::string name;  // for messages
  JsonValue tree;
};

absl::StatusOr<Source> Parse(std::string name, std::string_view text) {
  absl::StatusOr<JsonValue> tree = ParsePassportJson(text);
  if (!tree.ok()) return Of(name, tree.status());
  return Source{std::move(name), *std::move(tree)};
}

// Nothing where there is no passport.
absl::StatusOr<std::optional<Source>> Find(const VersionFiles& files, std::string_view embedded) {
  std::optional<Source> source;
  if (!embedded.empty()) {
    FERRY_ASSIGN_OR_RETURN(source, Parse(NameOf(*files.model), embedded));
  }
  if (files.passport_file == nullptr) return source;
  FERRY_ASSIGN_OR_RETURN(const std::string text, checkpoint::ReadPassportFile(*files.passport_file));
  FERRY_ASSIGN_OR_RETURN(Source beside, Parse(NameOf(*files.passport_file), text));
  if (!source.has_value()) return beside;
  // What has brought the model here says where it comes from, in a file that it can write.
  const std::string difference = MergePassport(beside.tree, source->tree);
  if (difference.empty()) return source;
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{} and {} differ: {}; remove {}, or write there what the other says", source->name,
                          beside.name, difference, files.passport_file->name());
}

}  // namespace

absl::Status UsePassport(const VersionFiles& files, std::string_view embedded, PlannedVersion& planned) {
  FERRY_ASSIGN_OR_RETURN(const std::optional<Source> source, Find(files, embedded));
  if (!source.has_value()) return absl::OkStatus();
  absl::StatusOr<Passport> passport = ReadPassport(source->tree);
  if (!passport.ok()) return Of(source->name, passport.status());
  if (!passport->unknown_fields.empty()) {
    planned.plan.warnings.push_back(fmt::format("{} has fields that this server does not know and ignores: {}",
                                                source->name, base::ListText(passport->unknown_fields)));
  }
  planned.passport_name = source->name;
  planned.passport = std::make_shared<const Passport>(*std::move(passport));
  if (!planned.passport->signature.has_value()) return absl::OkStatus();
  const PassportSignature& signature = *planned.passport->signature;
  FERRY_RETURN_IF_ERROR(
      base::Annotate(CheckAgainstPassport(planned.config, signature, {planned.config.signature_source, source->name}),
                     files.model->name()));
  planned.config = WithPassport(std::move(planned.config), signature, source->name, planned.plan.decisions);
  return absl::OkStatus();
}

absl::Status CheckProgramAgainstPassport(const PlannedVersion& planned) {
  if (planned.passport == nullptr || !planned.passport->signature.has_value()) return absl::OkStatus();
  return CheckAgainstPassport(planned.config, *planned.passport->signature, {"the program", planned.passport_name});
}

}  // namespace torchferry::plan
