#include "server/checkpoint/content_kind.h"

#include <algorithm>
#include <array>
#include <string>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::checkpoint {
namespace {

using std::string_view_literals::operator""sv;
using absl::StatusCode;

constexpr std::string_view kExpected =
    "expected a torch.export program (torch.export.save), a TorchScript archive (torch.jit.save), a state_dict "
    "(torch.save) or safetensors";

constexpr std::string_view kTensorRt =
    "is a TensorRT engine: native code for one kind of GPU, which is not served. Save the PyTorch model that it was "
    "built from: torch.jit.script(model).save(path)";

struct Magic {
  std::string_view bytes;
  StatusCode code;
  std::string_view message;
};

constexpr std::array kMagics = {
    Magic{"version https://git-lfs.github.com/spec"sv, StatusCode::kDataLoss,
          "is a Git LFS pointer, not the model itself; run `git lfs pull` where it was cloned, and "
          "copy the file again"},
    Magic{"\x89HDF\r\n\x1a\n"sv, StatusCode::kInvalidArgument,
          "is an HDF5 file (Keras?), which is not served; convert the model to PyTorch"},
    Magic{"\x93NUMPY"sv, StatusCode::kInvalidArgument,
          "is a NumPy array, not a model; as a state_dict of one tensor it can be served: in Python, "
          "torch.save({\"weight\": numpy.load(\"model.npy\")}, \"model.pt\")"},
    Magic{"\x1f\x8b"sv, StatusCode::kInvalidArgument, "is compressed with gzip; put the uncompressed file here"},
    Magic{"BZh"sv, StatusCode::kInvalidArgument, "is compressed with bzip2; put the uncompressed file here"},
    Magic{"\xfd"
          "7zXZ"sv,
          StatusCode::kInvalidArgument, "is compressed with xz; put the uncompressed file here"},
    Magic{"\x28\xb5\x2f\xfd"sv, StatusCode::kInvalidArgument,
          "is compressed with zstd; put the uncompressed file here"},
    Magic{"7z\xbc\xaf\x27\x1c"sv, StatusCode::kInvalidArgument, "is a 7-Zip archive; put the unpacked file here"},
    Magic{"\x7f"
          "ELF"sv,
          StatusCode::kInvalidArgument,
          "is a program or a shared library, not a model; the PyTorch model that it was compiled from is served: "
          "torch.jit.script(model).save(path)"},
    Magic{"ftrt"sv, StatusCode::kInvalidArgument, kTensorRt},
    Magic{"ptrt"sv, StatusCode::kInvalidArgument, kTensorRt},
    Magic{"RKNN"sv, StatusCode::kInvalidArgument,
          "is an RKNN model, which is not served; use the PyTorch weights it was made of"},
    Magic{"Rar!\x1a\x07"sv, StatusCode::kInvalidArgument, "is a RAR archive; put the unpacked file here"},
    Magic{"\x04\x22\x4d\x18"sv, StatusCode::kInvalidArgument, "is compressed with LZ4; put the uncompressed file here"},
    Magic{"\x12\x01\0\0\0\0\0\0"sv, StatusCode::kInvalidArgument,
          "is a file of MXNet parameters, which is not served; convert the model to PyTorch"},
    Magic{"SQLite format 3\0"sv, StatusCode::kInvalidArgument, "is an SQLite database, not a model"},
    Magic{"PAR1"sv, StatusCode::kInvalidArgument, "is a Parquet table, not a model"},
    Magic{"%PDF-"sv, StatusCode::kInvalidArgument, "is a PDF document, not a model"},
    Magic{"\x89PNG\r\n\x1a\n"sv, StatusCode::kInvalidArgument, "is a PNG image, not a model"},
    Magic{"\xff\xd8\xff"sv, StatusCode::kInvalidArgument, "is a JPEG image, not a model"},
    Magic{"GGUF"sv, StatusCode::kInvalidArgument,
          "is a GGUF file (llama.cpp), which is not served; use the PyTorch weights it was made of"},
};

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += fmt::format("{}{:02x}", hex.empty() ? "" : " ", static_cast<uint8_t>(c));
  }
  return hex;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(c < 128 ? std::tolower(c) : c); });
  return lower;
}

bool IsHtml(std::string_view text) {
  const std::string lower = Lower(text.substr(0, 64));
  return lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<head") ||
         lower.starts_with("<!-- html");
}

// A protobuf message that begins with ModelProto's fields in the order every exporter writes them:
// ir_version, then producer_name, graph or opset_import.
bool IsOnnx(std::string_view head) {
  constexpr char kIrVersionField = 0x08;
  constexpr char kNewestIrVersion = 32;  // far beyond today's 13
  constexpr std::string_view kNextFields = "\x12\x1a\x22\x2a\x32\x3a\x42"sv;
  return head.size() > 3 && head[0] == kIrVersionField && head[1] >= 1 && head[1] <= kNewestIrVersion &&
         kNextFields.find(head[2]) != std::string_view::npos;
}

// A SavedModel (schema version 1, then its graphs), or a GraphDef, which begins with a node: its
// name, then the name of its operator.
bool IsTensorFlow(std::string_view head) {
  if (head.starts_with("\x08\x01\x12"sv)) return true;
  if (head.size() < 4 || head[0] != '\x0a' || head[2] != '\x0a') return false;
  const size_t op = 4 + static_cast<uint8_t>(head[3]);
  return head.size() > op + 1 && head[op] == '\x12' &&
         op + 2 + static_cast<uint8_t>(head[op + 1]) <=
             std::min<size_t>(head.size(), 2 + static_cast<size_t>(static_cast<uint8_t>(head[1])));
}

bool IsTar(std::string_view head) {
  constexpr size_t kMagicOffset = 257;
  return head.size() > kMagicOffset && head.substr(kMagicOffset).starts_with("ustar");
}

bool IsPickle(std::string_view head) { return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5; }

// UTF-8 without control characters but those of lines. The head may end inside a character.
bool IsText(std::string_view head) {
  constexpr size_t kMaxCutBytes = 3;
  std::string text(head);
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
  for (size_t cut = 0; cut <= std::min(kMaxCutBytes, text.size()); ++cut) {
    if (IsCleanUtf8(std::string_view(text).substr(0, text.size() - cut))) return cut == 0 || head.size() > kMaxCutBytes;
  }
  return false;
}

bool IsZeros(std::string_view head) {
  return std::ranges::all_of(head, [](char c) { return c == '\0'; });
}

// By what follows the first bracket: the head may end anywhere. A vocabulary begins with "[PAD]".
bool IsJson(std::string_view text) {
  if (!text.starts_with('{') && !text.starts_with('[')) return false;
  const size_t next = text.find_first_not_of(" \t\r\n", 1);
  if (next == std::string_view::npos) return true;
  if (text[0] == '{') return text[next] == '"' || text[next] == '}';
  const std::string_view rest = text.substr(next);
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n,]"));
  return std::string_view("\"{[]-0123456789").find(rest[0]) != std::string_view::npos || word == "true" ||
         word == "false" || word == "null";
}

absl::Status DescribeText(std::string_view text) {
  if (IsHtml(text)) {
    return absl::DataLossError(
        "is an HTML page, not a model: the download link needs a login or leads to a page about "
        "the file; download the file itself");
  }
  if (IsJson(text)) {
    return base::MakeStatus(StatusCode::kInvalidArgument, "is JSON text, not a model; {}", kExpected);
  }
  return base::MakeStatus(StatusCode::kInvalidArgument, "is a text file, not a model; {}", kExpected);
}

// OK when it is none of kMagics.
absl::Status DescribeMagic(std::string_view head) {
  for (const Magic& magic : kMagics) {
    if (head.starts_with(magic.bytes)) return absl::Status(magic.code, std::string(magic.message));
  }
  return absl::OkStatus();
}

// OK when it is none that is known.
absl::Status DescribeOtherFramework(std::string_view head) {
  if (head.size() > 8 && head.substr(4).starts_with("TFL3")) {
    return absl::InvalidArgumentError("is a TensorFlow Lite model, which is not served; convert the model to PyTorch");
  }
  if (head.size() > 8 && head.substr(4).starts_with("ET12")) {
    return absl::InvalidArgumentError(
        "is an ExecuTorch program (.pte), which is not served; the PyTorch model that it was made of is: "
        "torch.jit.script(model).save(path)");
  }
  if (IsTensorFlow(head)) {
    return absl::InvalidArgumentError("is a TensorFlow graph (.pb), which is not served; convert the model to PyTorch");
  }
  if (IsOnnx(head)) {
    return absl::InvalidArgumentError(
        "is an ONNX model, which is not served; export the PyTorch model with "
        "torch.jit.script(model).save(path), or save its state_dict");
  }
  return absl::OkStatus();
}

// OK when it is neither.
absl::Status DescribeTarOrPickle(std::string_view head) {
  if (IsTar(head)) {
    return absl::InvalidArgumentError(
        "is a tar archive; put the unpacked model file here. PyTorch before 0.1.10 saved tar files: load such a file "
        "in Python and save it again");
  }
  if (IsPickle(head) && head.find("torch.distributed.checkpoint") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "is the index (.metadata) of a distributed checkpoint, which holds no weights; make one file of its folder: "
        "python -m "
        "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt");
  }
  if (IsPickle(head)) {
    return base::MakeStatus(StatusCode::kInvalidArgument,
                            "is a plain Python pickle, not made by torch.save; {}. One of a dict of arrays or tensors "
                            "becomes that in Python, where you trust the file: "
                            "torch.save(pickle.load(open(\"model.pkl\", \"rb\")), \"model.pt\")",
                            kExpected);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadHead(const File& file) {
  constexpr uint64_t kHeadBytes = 1024;
  std::string head(std::min(file.size(), kHeadBytes), '\0');
  FERRY_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span<char>(head))));
  return head;
}

absl::Status DescribeForeignContent(std::string_view head, uint64_t size) {
  if (size == 0) return absl::DataLossError("is empty (0 bytes); download or copy it again");
  FERRY_RETURN_IF_ERROR(DescribeMagic(head));
  FERRY_RETURN_IF_ERROR(DescribeOtherFramework(head));
  FERRY_RETURN_IF_ERROR(DescribeTarOrPickle(head));
  if (IsZeros(head)) {
    return base::MakeStatus(
        StatusCode::kDataLoss,
        "has {} bytes and begins with nothing but zeros: a download or copy that did not finish; download or copy it "
        "again",
        size);
  }
  const size_t start = std::min(head.find_first_not_of(" \t\r\n"), head.size());
  if (IsText(head)) return DescribeText(head.substr(start));
  return base::MakeStatus(StatusCode::kInvalidArgument, "is of no known format: {} bytes that begin with {}; {}", size,
                          Hex(head.substr(0, 16)), kExpected);
}

}  // namespace torchferry::checkpoint
