#include "server/tls/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/tls/test_certificates.h"

namespace torchferry::tls {
namespace {

using std::chrono::days;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Date kNow(days(20000));

class CredentialsTest : public ::testing::Test {
 protected:
  static Texts Of(std::string certificate, std::string key, std::string client_ca = "") {
    return {{"--tls-cert c.pem", std::move(certificate)},
            {"--tls-key k.pem", std::move(key)},
            {client_ca.empty() ? "" : "--tls-client-ca ca.pem", std::move(client_ca)}};
  }
  static std::string WhyNot(const Texts& texts, Date now = kNow) {
    const auto made = CheckCredentials(texts, now);
    return made.ok() ? "" : base::MessageOf(made.status());
  }

  const TestCertificate authority_ = TestCertificate::Authority();
  const TestCertificate server_{Wanted{}, authority_};
};

TEST_F(CredentialsTest, ACertificateWithItsKeyIsServed) {
  const auto made = CheckCredentials(Of(server_.pem(), server_.key_pem(), authority_.pem()), kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->chain, server_.pem());
  EXPECT_EQ(made->client_ca, authority_.pem());
  EXPECT_THAT(made->key, HasSubstr("BEGIN PRIVATE KEY"));
  EXPECT_EQ(made->subject, "CN=localhost");
  EXPECT_THAT(made->warnings, IsEmpty());
}

TEST_F(CredentialsTest, WhatIsBesideTheCertificatesIsNotServed) {
  const std::string all = "a remark\n" + server_.key_pem() + server_.pem() + authority_.pem();
  const auto made = CheckCredentials(Of(all, all), kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->chain, server_.pem() + authority_.pem());
}

TEST_F(CredentialsTest, AChainIsValidWhileAllOfItIs) {
  Wanted between = {.name = "Between", .alternative = "", .usage = "", .is_authority = true};
  between.not_after = kNow + days(30);
  const TestCertificate issuer(between, authority_);
  const TestCertificate server(Wanted{}, issuer);
  const auto made = CheckCredentials(Of(server.pem() + issuer.pem(), server.key_pem()), kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->validity.not_after, kNow + days(30));
  EXPECT_THAT(WhyNot(Of(server.pem() + issuer.pem(), server.key_pem()), kNow + days(31)),
              HasSubstr("the certificate of CN=Between expired at"));
}

TEST_F(CredentialsTest, ARootThatHasExpiredInTheChainIsTheClientsBusiness) {
  Wanted old = {.name = "Old root", .alternative = "", .usage = "", .is_authority = true};
  old.not_after = kNow - days(1);
  const TestCertificate root(old);
  const TestCertificate server(Wanted{}, root);
  EXPECT_EQ(WhyNot(Of(server.pem() + root.pem(), server.key_pem())), "");
}

struct Bad {
  const char* what;
  Texts texts;
  std::vector<std::string> said;
};

TEST_F(CredentialsTest, WhatMayNotBeServedIsRefusedWithTheReason) {
  const TestCertificate other(Wanted{}, authority_);
  const TestCertificate expired(Wanted{.not_after = kNow - days(1)}, authority_);
  const TestCertificate future(Wanted{.not_before = kNow + days(1)}, authority_);
  const TestCertificate client(Wanted{.usage = "clientAuth"}, authority_);
  const TestCertificate weak(Wanted{.rsa_bits = 512}, authority_);
  const std::string cert = server_.pem();
  const std::string key = server_.key_pem();
  const std::string half = cert.substr(0, cert.size() / 2);
  const std::string rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const std::vector<Bad> table = {
      {"empty", Of("", key), {"--tls-cert c.pem", "no certificate", "it is empty"}},
      {"no PEM", Of("hello", key), {"no certificate", "no PEM text"}},
      {"swapped", Of(key, cert), {"--tls-cert c.pem", "private key", "swapped"}},
      {"two certificates", Of(cert, cert), {"--tls-key k.pem", "no private key", "swapped"}},
      {"empty key", Of(cert, ""), {"--tls-key k.pem", "no private key", "it is empty"}},
      {"half a certificate", Of(half, key), {"--tls-cert c.pem", "PEM block 1 is damaged"}},
      {"half an issuer", Of(cert + half, key), {"PEM block 2 is damaged"}},
      {"not X.509", Of(rubbish, key), {"certificate 1 is no X.509 certificate"}},
      {"half a key", Of(cert, key.substr(0, key.size() / 2)), {"--tls-key k.pem", "damaged"}},
      {"another key", Of(cert, other.key_pem()), {"--tls-key k.pem", "does not fit", "CN=localhost"}},
      {"encrypted", Of(cert, server_.key_pem("secret")), {"--tls-key k.pem", "encrypted", "openssl pkey"}},
      {"issuer first", Of(authority_.pem() + cert, key), {"--tls-cert c.pem", "is not the first"}},
      {"strangers", Of(cert + other.pem(), key), {"certificate 2", "has not issued the certificate"}},
      {"expired", Of(expired.pem(), expired.key_pem()), {"expired at 2024-10-03T00:00:00Z", "renew"}},
      {"future", Of(future.pem(), future.key_pem()), {"is not valid before 2024-10-05T00:00:00Z", "clock"}},
      {"of a client", Of(client.pem(), client.key_pem()), {"not one of a server", "serverAuth"}},
      {"weak", Of(weak.pem(), weak.key_pem()), {"--tls-cert c.pem", "too small", "security level"}},
      {"no authority", Of(cert, key, "nothing"), {"--tls-client-ca ca.pem", "no certificate"}},
      {"key as authority", Of(cert, key, key), {"--tls-client-ca ca.pem", "no certificate"}},
      {"expired authority", Of(cert, key, expired.pem()), {"--tls-client-ca ca.pem", "expired", "no authority"}},
  };
  for (const Bad& bad : table) {
    const std::string why = WhyNot(bad.texts);
    for (const std::string& part : bad.said) EXPECT_THAT(why, HasSubstr(part)) << bad.what;
  }
}

TEST_F(CredentialsTest, OneAuthorityThatMayBeUsedIsEnough) {
  const TestCertificate expired(Wanted{.name = "Old", .is_authority = true, .not_after = kNow - days(1)});
  const auto made = CheckCredentials(Of(server_.pem(), server_.key_pem(), expired.pem() + authority_.pem()), kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->warnings, ElementsAre(HasSubstr("CN=Old expired")));
}

TEST_F(CredentialsTest, WhatClientsRefuseIsWarnedOf) {
  const TestCertificate nameless(Wanted{.alternative = ""}, authority_);
  const auto made = CheckCredentials(Of(nameless.pem(), nameless.key_pem()), kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->warnings, ElementsAre(HasSubstr("subjectAltName")));
}

TEST_F(CredentialsTest, KindsOfKeys) {
  for (const int bits : {0, 2048}) {
    const TestCertificate server(Wanted{.rsa_bits = bits}, authority_);
    EXPECT_EQ(WhyNot(Of(server.pem(), server.key_pem())), "") << bits;
  }
}

TEST_F(CredentialsTest, MoreThanAChainHasIsRefused) {
  std::string many;
  for (int i = 0; i < 11; ++i) many += server_.pem();
  EXPECT_THAT(WhyNot(Of(many, server_.key_pem())), HasSubstr("more than 10 certificates"));
}

}  // namespace
}  // namespace torchferry::tls
