import { AppError } from '../errors/app-error.js';

/** The most common leaked passwords of 12 or more characters, in lower case. */
const COMMON = new Set(
  `123456789012 1234567890123 1234567890 12345678910 123123123123 111111111111 000000000000 121212121212
  112233445566 987654321098 qwertyuiop12 qwertyuiop123 qwertyuiop[] qwerty123456 qwerty1234567 1qaz2wsx3edc
  1q2w3e4r5t6y 1q2w3e4r5t6y7u zaq12wsxcde3 asdfghjkl123 asdfghjkl;' zxcvbnm12345 abcdefghijkl abcd1234abcd
  abc123abc123 a1b2c3d4e5f6 password1234 password12345 password123456 passwordpassword mypassword123 passw0rd1234
  p@ssw0rd1234 p@ssword1234 administrator administrator1 admin1234567 adminadminadmin letmeinletmein letmein12345
  welcome12345 welcome123456 changeme1234 changeme12345 iloveyou1234 iloveyou12345 iloveyouforever
  unitedstates manchesterunited liverpoolfc1 footballfootball christopher1 michelle1234 princess1234 sunshine1234
  superman1234 dragon123456 monkey123456 master123456 trustno1trustno1 correcthorsebatterystaple qazwsxedcrfv
  qazwsxedc123 1234qwerasdf 1234qwerasdfzxcv q1w2e3r4t5y6 aaaaaaaaaaaa secretsecret secret123456 test12345678
  testtesttest default12345 temporary123 internet1234 computer1234 whatever1234 blink182blink`.split(/\s+/),
);

/** OWASP ASVS 5.0 6.2.4: common passwords are refused. */
export function isCommonPassword(password: string): boolean {
  return COMMON.has(password.toLowerCase()) || /^(.)\1*$/u.test(password);
}

/** @throws {AppError} `validation_failed` for a common password. */
export function requireUncommonPassword(password: string): void {
  if (!isCommonPassword(password)) return;
  throw new AppError('validation_failed', {
    detail: '"password" is one of the most common ones, choose another',
  });
}
