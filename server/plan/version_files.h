// Finds the files that make the model of a version's folder: the one that is a model by content, and the architecture
// for a state_dict.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/checkpoint/file.h"
#include "server/checkpoint/format.h"
#include "server/checkpoint/shard_index.h"
#include "server/checkpoint/trusted_digests.h"
#include "server/config/model_config.h"

namespace torchferry::plan {

enum class Architecture { kNone, kForwardPy, kTorchScript, kProgram };

struct VersionFiles {
  std::shared_ptr<const checkpoint::File> model;  // with kShards: the index, if there is one, and all parts as one file
  checkpoint::FileFormat format = checkpoint::FileFormat::kUnknown;
  Architecture architecture = Architecture::kNone;            // programs, and archives with a forward, do not use it
  std::shared_ptr<const checkpoint::File> architecture_file;  // null with kNone
  std::string model_path;                                     // on the host
  std::shared_ptr<const checkpoint::File> passport_file;      // torchferry.json in the version's folder; null: none
  // With kShards: in the index's order, else in the order of their names.
  std::vector<std::shared_ptr<const checkpoint::File>> parts;
  std::shared_ptr<const checkpoint::ShardIndex> index;  // null where only the files' names tell that they are one model
  // FAILED_PRECONDITION: the file is a state_dict, and its architecture is missing.
  absl::Status missing;
  std::string trusted_by;  // name of the list that has each file's digest; empty: none was asked for
};

// A file of the version's folder, and Recognise's result for it.
struct Candidate {
  std::string name;
  absl::StatusOr<checkpoint::FileFormat> format;
  std::vector<std::string> parts = {};  // with kShards: as the index names them
};

// The file to open. If it is no index but the first of several parts, `parts` has all of them.
struct ModelChoice {
  std::string file;
  std::vector<std::string> parts;
};

// Chooses the model among `candidates`, where architecture files are already left out. It is the only model, or the
// only index with only its parts beside it. It may also be a set of files whose names make them all parts of one. Pure.
// Several models, or none, are an error that lists the files and says what each is.
absl::StatusOr<ModelChoice> ChooseModelFile(const std::vector<Candidate>& candidates, const std::string& folder);

// Looks into STORE/MODEL/VERSION and STORE/MODEL. Messages name files by their path inside the store. Files whose names
// begin with a point are not read.
// NOT_FOUND: no file. FAILED_PRECONDITION: several models, a missing part, or a link out of the store. Else Recognise's
// errors. A missing architecture is in VersionFiles::missing: faults of the file itself come first, because an
// architecture would not mend them.
// `trusted` is null, or the list that must have the digest of each file before its content is used. Without
// config.default_model_filename this covers all files in the version's folder. With it, it covers that file and its
// parts. It covers the passport and the architecture, too. FAILED_PRECONDITION for a file that is not on the list.
absl::StatusOr<VersionFiles> FindVersionFiles(const base::StoreFolder& store, const std::string& model, int64_t version,
                                              const config::ModelConfig& config,
                                              const checkpoint::TrustedDigests* trusted = nullptr);

// Whether the last part of `path` is that of a version's folder: a positive integer.
bool IsVersionFolder(const std::string& path);

// The same for a file that the user named, inside or outside a store. `path` is on the host, and is the file's name in
// messages. An architecture is looked for in the file's folder and, where that is a version's, in the one above. A file
// in a version's folder belongs to the store two folders above. Links out of that store are treated as the server
// treats them (`follows_links_out`: --follow-links-out-of-store).
// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder), FAILED_PRECONDITION (such a link, or a digest that is not
// in `trusted`). Else Recognise's errors.
absl::StatusOr<VersionFiles> FindFilesOf(const std::string& path, const config::ModelConfig& config,
                                         bool follows_links_out = false,
                                         const checkpoint::TrustedDigests* trusted = nullptr);

}  // namespace torchferry::plan
