// ask ADDRESS MODEL INPUT VALUE…: sends one row of FP32 values and prints the outputs, or the error and exit code 1.
#include <client/rpc/connection.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace v1 = torchferry::v1;
using torchferry::client::Connection;

namespace {

int Fail(const absl::Status& status) {
  std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: ask ADDRESS MODEL INPUT VALUE…\n";
    return 2;
  }
  Connection::Options options;
  options.address = argv[1];
  if (const char* ca = std::getenv("ASK_CA"); ca != nullptr) options.tls.files.ca = ca;
  auto connection = Connection::Create(std::move(options));
  if (!connection.ok()) return Fail(connection.status());
  std::vector<float> row;
  for (int i = 4; i < argc; ++i) row.push_back(std::stof(argv[i]));
  v1::PredictRequest request;
  request.set_model_name(argv[2]);
  v1::Tensor& input = (*request.mutable_inputs())[argv[3]];
  input.set_dtype(v1::DATA_TYPE_FP32);
  input.add_shape(1);
  input.add_shape(static_cast<int64_t>(row.size()));
  input.set_data(row.data(), row.size() * sizeof(float));
  const auto response = (*connection)->Predict(request);
  if (!response.ok()) return Fail(response.status());
  for (const auto& [name, tensor] : response->outputs()) {
    std::vector<float> values(tensor.data().size() / sizeof(float));
    std::memcpy(values.data(), tensor.data().data(), values.size() * sizeof(float));
    std::cout << name;
    for (const float value : values) std::cout << ' ' << value;
    std::cout << '\n';
  }
}
