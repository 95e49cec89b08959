// Which files of a version's folder make the model: the one that is a model by content, and the architecture that a
// state_dict needs.
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
  std::shared_ptr<const checkpoint::File> model;  // of kShards: the index, if there is one, and all parts as one file
  checkpoint::FileFormat format = checkpoint::FileFormat::kUnknown;
  Architecture architecture = Architecture::kNone;            // TorchScript and programs use none: they bring code
  std::shared_ptr<const checkpoint::File> architecture_file;  // null with kNone
  std::string model_path;                                     // on the host
  std::shared_ptr<const checkpoint::File> passport_file;      // torchferry.json in the version's folder; null: none
  // Of kShards: in the index's order, else in the order of their names.
  std::vector<std::shared_ptr<const checkpoint::File>> parts;
  std::shared_ptr<const checkpoint::ShardIndex> index;  // null where their names alone say that they are one model
  // FAILED_PRECONDITION: the file is a state_dict, and its architecture is not there.
  absl::Status missing;
  std::string trusted_by;  // the list that has the digest of each of the files; empty: none was asked for
};

// A file of the version's folder and what Recognise says of it.
struct Candidate {
  std::string name;
  absl::StatusOr<checkpoint::FileFormat> format;
  std::vector<std::string> parts = {};  // of kShards: as the index names them
};

// The file to open, and where it is no index, the parts of the model that it is the first of.
struct ModelChoice {
  std::string file;
  std::vector<std::string> parts;
};

// The model among `candidates` (architecture files already set aside): the only one; the only index, with nothing but
// its parts beside it; or files whose names say that they are all parts of one. Pure. Several models, or none, are an
// error that lists the files and says of each what it is.
absl::StatusOr<ModelChoice> ChooseModelFile(const std::vector<Candidate>& candidates, const std::string& folder);

// Looks into STORE/MODEL/VERSION and STORE/MODEL. Messages name files by their path inside the store.
// NOT_FOUND for no file, FAILED_PRECONDITION for several models or a link out of the store, else Recognise's errors. A
// missing architecture is in VersionFiles::missing: what is wrong with the file itself comes first, an architecture
// would not mend it.
// `trusted`: null, or the list that must have the digest of each file before anything of it is read but its digest: of
// all that lie in the version's folder, or of the one that config.default_model_filename names with its parts; and of
// the architecture. FAILED_PRECONDITION for one that it has not. Files whose names begin with a point are not read.
absl::StatusOr<VersionFiles> FindVersionFiles(const base::StoreFolder& store, const std::string& model, int64_t version,
                                              const config::ModelConfig& config,
                                              const checkpoint::TrustedDigests* trusted = nullptr);

// Whether `path` ends as a version's folder does: in a positive integer.
bool IsVersionFolder(const std::string& path);

// The same for a file that the user named, in a store or not: `path` on the host, which messages also call it. An
// architecture is looked for as in a store, in the file's folder and, where that is a version, in the one above. A file
// in a version's folder is taken for one of the store two folders above, and links out of it are treated as the server
// would (`follows_links_out`: --follow-links-out-of-store).
// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder), FAILED_PRECONDITION (such a link, or a digest that is not
// in `trusted`), else Recognise's errors.
absl::StatusOr<VersionFiles> FindFilesOf(const std::string& path, const config::ModelConfig& config,
                                         bool follows_links_out = false,
                                         const checkpoint::TrustedDigests* trusted = nullptr);

}  // namespace torchferry::plan
