#include "server/app/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace torchferry::app {
namespace {

using ::testing::HasSubstr;

// What came of the arguments: the flags, or an exit code with what was printed.
struct Parsed {
  std::optional<ServerFlags> flags;
  int exit_code = -1;
  std::string out;
  std::string err;
};

Parsed ParseExactly(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "torchferry-server");
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const auto result = ParseFlags(static_cast<int>(argv.size()), argv.data(), {"cpu", "cuda"});
  Parsed parsed;
  parsed.out = ::testing::internal::GetCapturedStdout();
  parsed.err = ::testing::internal::GetCapturedStderr();
  if (const auto* flags = std::get_if<ServerFlags>(&result)) {
    parsed.flags = *flags;
  } else {
    parsed.exit_code = std::get<int>(result);
  }
  return parsed;
}

// With a store that is there.
Parsed Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--model-store", "/"});
  return ParseExactly(std::move(arguments));
}

// A variable of the environment, for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
};

TEST(FlagsTest, AStoreIsEnough) {
  const Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.flags.has_value()) << parsed.err;
  EXPECT_EQ(parsed.flags->model_store, "/");
  EXPECT_EQ(parsed.flags->grpc_address, "127.0.0.1:8001");
  EXPECT_EQ(parsed.flags->device, "auto");
  EXPECT_TRUE(parsed.flags->optimize);
  EXPECT_FALSE(parsed.flags->enable_admin);
}

TEST(FlagsTest, WithoutAStoreItEndsWith2AndNamesTheFlag) {
  const Parsed parsed = ParseExactly({});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.err, HasSubstr("--model-store"));
}

TEST(FlagsTest, AStoreThatIsNotThereEndsWith2) {
  EXPECT_EQ(ParseExactly({"--model-store", "/nothing/here"}).exit_code, 2);
}

TEST(FlagsTest, HelpAndVersionEndWith0) {
  const Parsed help = ParseExactly({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("--trust-model-code"));
  const Parsed version = ParseExactly({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, ::testing::StartsWith("torchferry-server "));
}

TEST(FlagsTest, EachFlagIsAVariableAndTheFlagGoesBefore) {
  const Variable address("TORCHFERRY_GRPC_ADDRESS", "127.0.0.1:1234");
  const Variable watch("TORCHFERRY_WATCH", "true");
  EXPECT_EQ(Parse({}).flags->grpc_address, "127.0.0.1:1234");
  EXPECT_TRUE(Parse({}).flags->watch);
  EXPECT_EQ(Parse({"--grpc-address", "127.0.0.1:5"}).flags->grpc_address, "127.0.0.1:5");
}

TEST(FlagsTest, AVariableIsCheckedAsAFlagIs) {
  const Variable address("TORCHFERRY_GRPC_ADDRESS", "nowhere");
  EXPECT_EQ(Parse({}).exit_code, 2);
}

TEST(FlagsTest, AnAddressHasAHostAndAPort) {
  for (const char* address : {"127.0.0.1:0", "[::]:8001", "localhost:65535"}) {
    EXPECT_TRUE(Parse({"--grpc-address", address}).flags.has_value()) << address;
  }
  for (const char* address : {"8001", ":8001", "localhost:", "localhost:http", "localhost:65536", "localhost:100000"}) {
    const Parsed parsed = Parse({"--metrics-address", address});
    EXPECT_EQ(parsed.exit_code, 2) << address;
    EXPECT_THAT(parsed.err, HasSubstr("is not HOST:PORT")) << address;
  }
}

TEST(FlagsTest, AnAddressOfGrpcMayBeASocketOfThisHost) {
  EXPECT_EQ(Parse({"--grpc-address", "unix:/run/ferry.sock"}).flags->grpc_address, "unix:/run/ferry.sock");
  EXPECT_TRUE(Parse({"--enable-admin", "--admin-address", "unix:/run/admin.sock"}).flags.has_value());
  EXPECT_THAT(Parse({"--metrics-address", "unix:/run/m.sock"}).err, HasSubstr("is not HOST:PORT"));
  for (const std::string& address : {std::string("unix:"), std::string("unix:ferry.sock"), std::string("unix:/run/"),
                                     "unix:/" + std::string(108, 'a')}) {
    const Parsed parsed = Parse({"--grpc-address", address});
    EXPECT_EQ(parsed.exit_code, 2) << address;
    EXPECT_THAT(parsed.err, HasSubstr(address)) << address;
  }
}

TEST(FlagsTest, ASocketsModeIsOctal) {
  EXPECT_EQ(Parse({}).flags->unix_socket_mode, 0600U);
  EXPECT_EQ(Parse({"--unix-socket-mode", "0660"}).flags->unix_socket_mode, 0660U);
  EXPECT_EQ(Parse({"--unix-socket-mode", "777"}).flags->unix_socket_mode, 0777U);
  const Variable mode("TORCHFERRY_UNIX_SOCKET_MODE", "0666");
  EXPECT_EQ(Parse({}).flags->unix_socket_mode, 0666U);
  for (const char* wrong : {"", "rw", "0800", "01777", "0060", "-1", "0600 "}) {
    const Parsed parsed = Parse({"--unix-socket-mode", wrong});
    EXPECT_EQ(parsed.exit_code, 2) << wrong;
    EXPECT_THAT(parsed.err, HasSubstr("--unix-socket-mode")) << wrong;
  }
}

TEST(FlagsTest, ConnectionsHaveTheirTimes) {
  const ServerFlags defaults = *Parse({}).flags;
  EXPECT_LT(defaults.keepalive_min_interval_seconds, 10) << "a client with a keepalive of 10 s is welcome";
  EXPECT_EQ(defaults.max_connection_age_seconds, 0);
  EXPECT_EQ(Parse({"--max-connection-age-seconds", "300.5"}).flags->max_connection_age_seconds, 300.5);
  EXPECT_EQ(Parse({"--keepalive-seconds", "0"}).flags->keepalive_seconds, 0);
  for (const char* flag :
       {"--keepalive-seconds", "--keepalive-timeout-seconds", "--keepalive-min-interval-seconds", "--max-ping-strikes",
        "--max-connection-idle-seconds", "--max-connection-age-seconds", "--max-connection-age-grace-seconds"}) {
    for (const char* wrong : {"-1", "nan", "1e12", "soon"}) EXPECT_EQ(Parse({flag, wrong}).exit_code, 2) << flag;
  }
  EXPECT_EQ(Parse({"--keepalive-min-interval-seconds", "0"}).exit_code, 2) << "any flood would be fine";
  EXPECT_EQ(Parse({"--max-ping-strikes", "0"}).exit_code, 2);
}

TEST(FlagsTest, ADeviceIsOfATypeThatThereMayBe) {
  for (const char* device : {"auto", "cpu", "cuda", "cuda:3"}) {
    EXPECT_EQ(Parse({"--device", device}).flags->device, device);
  }
  for (const char* device : {"sim:0", "gpu", "cuda:", "cuda:x"}) {
    const Parsed parsed = Parse({"--device", device});
    EXPECT_EQ(parsed.exit_code, 2) << device;
    EXPECT_THAT(parsed.err, HasSubstr("cpu, cuda")) << device;
  }
}

TEST(FlagsTest, NumbersHaveLimits) {
  EXPECT_EQ(Parse({"--max-message-mib", "2047"}).flags->max_message_mib, 2047);
  EXPECT_EQ(Parse({"--max-message-mib", "2048"}).exit_code, 2);
  EXPECT_EQ(Parse({"--max-queue-size", "0"}).exit_code, 2);
  EXPECT_EQ(Parse({"--intra-op-threads", "0"}).exit_code, 2);
  EXPECT_EQ(Parse({"--workers", "-1"}).exit_code, 2);
  EXPECT_EQ(Parse({"--drain-timeout-seconds", "0.5"}).flags->drain_timeout_seconds, 0.5);
  EXPECT_EQ(Parse({"--drain-timeout-seconds", "-1"}).exit_code, 2);
  EXPECT_EQ(Parse({"--forward-timeout-seconds", "0.5"}).flags->forward_timeout_seconds, 0.5);
  EXPECT_EQ(Parse({"--forward-timeout-seconds", "0"}).exit_code, 2);
  EXPECT_EQ(Parse({"--load-timeout-seconds", "86401"}).exit_code, 2);
  EXPECT_EQ(Parse({"--load-threads", "0"}).exit_code, 2);
  EXPECT_EQ(Parse({"--max-stuck-threads", "1025"}).exit_code, 2);
}

TEST(FlagsTest, NotANumberIsNoTime) {
  for (const char* flag : {"--drain-timeout-seconds", "--shutdown-delay-seconds", "--watch-interval-seconds",
                           "--device-probe-interval-seconds", "--optimize-budget-seconds", "--forward-timeout-seconds",
                           "--load-timeout-seconds"}) {
    EXPECT_EQ(Parse({flag, "nan"}).exit_code, 2) << flag;
  }
}

TEST(FlagsTest, WordsAreTheOnesThatHelpLists) {
  const Parsed parsed =
      Parse({"--optimize", "off", "--readiness", "all", "--log-format", "json", "--log-level", "error"});
  ASSERT_TRUE(parsed.flags.has_value()) << parsed.err;
  EXPECT_FALSE(parsed.flags->optimize);
  EXPECT_EQ(parsed.flags->readiness, registry::ReadinessPolicy::kAll);
  EXPECT_EQ(parsed.flags->log_format, base::LogFormat::kJson);
  EXPECT_EQ(parsed.flags->log_level, base::LogLevel::kError);
  EXPECT_EQ(Parse({"--log-level", "loud"}).exit_code, 2);
}

TEST(FlagsTest, AnAdminAddressNeedsAdmin) {
  EXPECT_EQ(Parse({"--admin-address", "127.0.0.1:0"}).exit_code, 2);
  EXPECT_EQ(Parse({"--admin-address", "127.0.0.1:0", "--enable-admin"}).flags->admin_address, "127.0.0.1:0");
}

TEST(FlagsTest, ReflectionCanBeTurnedOffAgain) {
  EXPECT_TRUE(Parse({"--reflection"}).flags->reflection);
  const Variable reflection("TORCHFERRY_REFLECTION", "true");
  EXPECT_FALSE(Parse({"--no-reflection"}).flags->reflection);
}

TEST(FlagsTest, WithExplicitControlTheNamedModelsAreLoaded) {
  const Parsed parsed =
      Parse({"--model-control", "explicit", "--load-model", "a,b", "--load-model", "c", "--enable-admin"});
  ASSERT_TRUE(parsed.flags.has_value()) << parsed.err;
  EXPECT_TRUE(parsed.flags->loads_by_call_alone);
  EXPECT_EQ(parsed.flags->load_models, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(Parse({"--model-control", "explicit", "--load-model", "*"}).flags.has_value());
  EXPECT_TRUE(Parse({"--model-control", "explicit", "--enable-admin"}).flags.has_value());
  EXPECT_FALSE(Parse({}).flags->loads_by_call_alone);
  EXPECT_FALSE(Parse({"--model-control", "all"}).flags->loads_by_call_alone);
}

TEST(FlagsTest, ControlThatHasNoEffectOrNoUseIsRefused) {
  EXPECT_THAT(Parse({"--load-model", "a"}).err, HasSubstr("--model-control explicit"));
  EXPECT_THAT(Parse({"--model-control", "explicit"}).err, HasSubstr("--enable-admin"));
  EXPECT_THAT(Parse({"--model-control", "explicit", "--load-model", "a", "--watch"}).err, HasSubstr("--watch"));
  EXPECT_EQ(Parse({"--model-control", "poll"}).exit_code, 2);
}

TEST(FlagsTest, TuneNamesTheStoreAndNeedsNoOther) {
  const Parsed parsed = ParseExactly({"--tune", "/", "--workers", "3"});
  ASSERT_TRUE(parsed.flags.has_value()) << parsed.err;
  EXPECT_TRUE(parsed.flags->tunes_store);
  EXPECT_EQ(parsed.flags->model_store, "/");
  EXPECT_EQ(parsed.flags->workers, 3);
  EXPECT_FALSE(Parse({}).flags->tunes_store);
  const Variable store("TORCHFERRY_MODEL_STORE", "/tmp");
  EXPECT_EQ(ParseExactly({"--tune", "/"}).flags->model_store, "/") << "what is said goes before the environment";
}

TEST(FlagsTest, TuneWithNothingToSeekIsRefused) {
  for (const std::vector<std::string>& off : {std::vector<std::string>{"--optimize", "off"}, {"--deterministic"}}) {
    std::vector<std::string> arguments = {"--tune", "/"};
    arguments.insert(arguments.end(), off.begin(), off.end());
    const Parsed parsed = ParseExactly(arguments);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_THAT(parsed.err, HasSubstr("--tune: has nothing to seek"));
  }
  EXPECT_THAT(ParseExactly({"--tune", "/no/such/store"}).err, HasSubstr("/no/such/store"));
}

TEST(FlagsTest, CheckNamesTheStoreAndNeedsNoOther) {
  const Parsed parsed = ParseExactly({"--check", "/"});
  ASSERT_TRUE(parsed.flags.has_value()) << parsed.err;
  EXPECT_TRUE(parsed.flags->checks_store);
  EXPECT_FALSE(parsed.flags->check_loads);
  EXPECT_EQ(parsed.flags->model_store, "/");
  EXPECT_TRUE(ParseExactly({"--check", "/", "--load", "--deterministic"}).flags->check_loads);
  EXPECT_FALSE(Parse({}).flags->checks_store);
}

TEST(FlagsTest, WhatDoesNotGoWithCheckIsRefused) {
  const Parsed both = ParseExactly({"--check", "/", "--tune", "/"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--check: and --tune are two runs"));
  const Parsed load = Parse({"--load"});
  EXPECT_EQ(load.exit_code, 2);
  EXPECT_THAT(load.err, HasSubstr("--load: has no effect without --check"));
  EXPECT_THAT(ParseExactly({"--check", "/no/such/store"}).err, HasSubstr("/no/such/store"));
  EXPECT_EQ(ParseExactly({"--check", "/proc/self/status"}).exit_code, 2) << "a file";
}

TEST(FlagsTest, AClientCaAsksClientsForACertificate) {
  const std::vector<std::string> pair = {"--tls-cert", "/etc/passwd", "--tls-key", "/etc/passwd"};
  const auto with = [&pair](std::vector<std::string> more) {
    more.insert(more.begin(), pair.begin(), pair.end());
    return Parse(std::move(more));
  };
  EXPECT_EQ(with({}).flags->tls_client_auth, tls::ClientAuth::kNone);
  EXPECT_EQ(with({"--tls-client-ca", "/etc/passwd"}).flags->tls_client_auth, tls::ClientAuth::kRequire);
  EXPECT_EQ(with({"--tls-client-ca", "/etc/passwd", "--tls-client-auth", "request"}).flags->tls_client_auth,
            tls::ClientAuth::kRequest);
  EXPECT_EQ(with({"--metrics-tls", "server"}).flags->metrics_tls, tls::ClientAuth::kNone);
  EXPECT_EQ(with({"--metrics-tls", "off"}).flags->metrics_tls, std::nullopt);
  const Parsed mixed = with({"--tls-client-ca", "/etc/passwd", "--tls-client-auth", "none", "--metrics-tls", "mutual"});
  EXPECT_EQ(mixed.flags->metrics_tls, tls::ClientAuth::kRequire) << mixed.err;
}

TEST(FlagsTest, TlsFlagsThatDoNotGoTogetherAreRefused) {
  const std::string file = "/etc/passwd";
  const std::vector<std::pair<std::vector<std::string>, std::string>> table = {
      {{"--tls-cert", file}, "add --tls-key FILE"},
      {{"--tls-key", file}, "add --tls-cert FILE"},
      {{"--tls-cert", "/none", "--tls-key", file}, "/none"},
      {{"--tls-client-ca", file}, "add --tls-cert FILE"},
      {{"--metrics-tls", "server"}, "add --tls-cert FILE"},
      {{"--tls-cert", file, "--tls-key", file, "--metrics-tls", "mutual"}, "add --tls-client-ca FILE"},
      {{"--tls-cert", file, "--tls-key", file, "--tls-client-auth", "require"}, "add --tls-client-ca FILE"},
      {{"--tls-cert", file, "--tls-key", file, "--tls-client-ca", file, "--tls-client-auth", "none"}, "no effect"},
      {{"--tls-client-auth", "perhaps"}, "none, request, require"},
      {{"--metrics-tls", "yes"}, "off, server, mutual"},
  };
  for (const auto& [arguments, said] : table) {
    const Parsed parsed = Parse(arguments);
    EXPECT_EQ(parsed.exit_code, 2) << said;
    EXPECT_THAT(parsed.err, HasSubstr(said));
  }
}

}  // namespace
}  // namespace torchferry::app
