'use strict';

/**
 * 架電AI 応答テンプレート
 *   2019-04 作成 (森)
 *   2021-08 状態別キーワード追加 (木村)
 *   2023-02 WEB フォーム案内を統一。旧文面は順次削除予定
 *
 * 変更したら必ず営業部に連絡すること
 */
const path = require('path');
const { normalize } = require('./textNormalizer');

const COMPANY = process.env.COMPANY_NAME || '株式会社みなと商事';
const SITE = 'https://www.minato-shoji.example';

// 会話の状態
const CONVERSATION_STATES = Object.freeze({
  INITIAL: 'initial', // 最初の挨拶が終わったところ
  CONFIRMING_PERSON: 'confirming_person', // 担当者につないでもらえるか確認している
  EXPLAINING: 'explaining', // 担当者に用件を説明している
  SCHEDULING: 'scheduling', // 打ち合わせの日時を決めている
  CALLBACK: 'callback', // 折り返しの時間を決めている
  CLOSING: 'closing',
  ENDED: 'ended',
  ON_HOLD: 'on_hold', // 2020年から未使用
});
const S = CONVERSATION_STATES;

const DEFAULT_VARIABLES = {
  companyName: COMPANY,
  representativeName: '森',
  serviceName: '請求書らくらく便',
  callbackNumber: '03-5550-0142',
  businessHours: '平日9時から18時まで',
  targetDepartment: '総務部',
  headOffice: '東京都港区海岸1-2-3 みなとビル4階',
};

// ===== 挨拶 =====
const GREETING_TEMPLATES = {
  initial_greeting: {
    text: 'お世話になっております。{{companyName}}の{{representativeName}}と申します。{{targetDepartment}}のご担当者様はいらっしゃいますでしょうか。',
    nextState: S.CONFIRMING_PERSON,
  },
  greeting_morning: 'おはようございます。{{companyName}}の{{representativeName}}でございます。',
  greeting_retry: '恐れ入ります、{{companyName}}の{{representativeName}}と申します。お声が届いておりますでしょうか。',
  self_introduction_again: `${COMPANY}の{{representativeName}}でございます。`,
};

const RESPONSE_TEMPLATES = {
  ...GREETING_TEMPLATES,

  // ===== 用件・自己紹介 =====
  // 「どちら様ですか」「会社名をもう一度」と聞かれたとき
  company_confirmation: '{{companyName}}の{{representativeName}}と申します。',
  // 用件を聞かれたとき
  purpose_question: '{{serviceName}}のご案内で、{{targetDepartment}}のご担当者様にお電話いたしました。',
  purpose_detail: '請求書の発行から発送までをまとめて代行する{{serviceName}}について、3分ほどご説明できればと存じます。',
  how_did_you_know: 'ホームページを拝見し、お電話いたしました。',
  // 何分くらいかかるか聞かれたとき
  how_long: '3分ほどで終わります。',
  price_question: '料金は月額9,800円からでございます。詳しくは資料でご案内いたします。',
  contract_period: '最低利用期間はございません。',
  trial_available: '最初の30日間は無料でお試しいただけます。',
  references: 'おかげさまで全国で1,200社にご利用いただいております。',
  security_question: 'データはすべて国内で保管し、通信も暗号化しております。',
  competitor_in_use: '他社様のサービスをお使いでしたら、比較の資料だけでもお送りいたします。',

  // ===== 不在・取次 =====
  // 担当者が席を外しているとき
  absent: '承知いたしました。それでは、何時ごろお戻りのご予定でしょうか。',
  absent_today: '本日はお戻りにならないのですね。承知いたしました。',
  absent_long: '長くご不在とのこと、承知いたしました。改めてお電話いたします。',
  in_meeting: '会議中でいらっしゃいますね。終わるころに改めます。',
  on_another_line: 'お電話中でいらっしゃいますね。少々お待ちしてもよろしいでしょうか。',
  retired: 'さようでございますか。後任のご担当者様はいらっしゃいますでしょうか。',
  no_such_department: '失礼いたしました。請求書をご担当の部署はどちらでしょうか。',
  // 取り次いでもらえるとき
  will_transfer: 'ありがとうございます。お待ちしております。',
  transferred_greeting: 'お電話代わりました。{{companyName}}の{{representativeName}}と申します。',
  wait_thanks: 'お待ちいただきありがとうございます。',

  // ===== 断り =====
  // 営業電話お断りと言われたとき
  sales_rejection: {
    text: '失礼いたしました。今後はお電話を控えます。',
    // 一字一句このとおり (法務確認済 2022-11)
    verbatim: true,
    endCall: true,
  },
  not_interested: '承知いたしました。もし機会がございましたら、{{serviceName}}をご検討ください。',
  no_need: '承知いたしました。貴重なお時間をありがとうございました。',
  busy_now: 'お忙しいところ失礼いたしました。ご都合のよい時間に改めてお電話いたします。',
  no_decision_authority: 'さようでございますか。お決めになる方をお教えいただけますでしょうか。',
  send_material_only: '承知いたしました。資料をお送りいたします。ご住所とお名前を伺えますでしょうか。',
  email_only: 'メールでお送りいたします。メールアドレスを伺えますでしょうか。',
  // TODO: WEBフォームのURLが変わったら直す(要確認)
  website_redirect: `承知いたしました。ホームページの${SITE}/contact のお問い合わせフォームからご連絡いたします。`,
  fax_request: 'ファックスでお送りいたします。番号を伺えますでしょうか。',
  do_not_call_again: {
    text: '大変申し訳ございません。お電話番号を登録から外し、今後一切ご連絡いたしません。',
    verbatim: true,
    end_call: true,
    priority: 100,
  },

  // ===== 日程 =====
  ask_date: 'ご都合のよい日にちをお聞かせいただけますでしょうか。',
  ask_time: '何時ごろがよろしいでしょうか。',
  confirm_schedule: '{{date}}の{{time}}でお間違いございませんでしょうか。',
  reschedule: '承知いたしました。別のお日にちはいかがでしょうか。',
  schedule_fixed: 'ありがとうございます。{{date}}の{{time}}に改めてお電話いたします。',
  online_meeting: 'オンラインで15分ほどお時間をいただけますと幸いです。',
  visit_meeting: 'ご訪問しての説明も承っております。',
  ask_attendees: '何名様でご参加の予定でしょうか。',

  // ===== 折り返し =====
  callback_offer: 'では、こちらから折り返しお電話いたします。',
  callback_number: '折り返しのお電話は{{callbackNumber}}までお願いいたします。',
  callback_time: '何時ごろにお電話すればよろしいでしょうか。',
  callback_confirm: '{{time}}ごろに改めてお電話いたします。',
  ask_name: '恐れ入りますが、お名前を伺ってもよろしいでしょうか。',
  ask_name_kanji: 'お名前の漢字も教えていただけますでしょうか。',
  repeat_name: '{{customerName}}様でいらっしゃいますね。',
  ask_phone: 'お電話番号を伺ってもよろしいでしょうか。',

  // ===== 聞き返し・困ったとき =====
  unclear: '申し訳ございません。もう一度お願いできますでしょうか。',
  unclear_twice: '申し訳ございません。お電話が遠いようでございます。',
  unclear_three_times: '恐れ入ります。担当の者に代わります。',
  silence_prompt: 'もしもし、聞こえておりますでしょうか。',
  is_this_a_machine: 'はい、AIの自動音声でお電話しております。ご希望でしたら担当の者に代わります。',
  operator_handoff: {
    text: '承知いたしました。担当の者に代わりますので、少々お待ちください。',
    handoff: true,
  },
  complaint: {
    text: 'ご不快な思いをおかけし、誠に申し訳ございません。責任者からご連絡いたします。',
    transfer: true, // クレームは必ず人へ
  },

  // ===== 終話 =====
  closing: {
    text: 'お忙しいところ、ありがとうございました。失礼いたします。',
    endCall: true,
  },
  closing_callback: { text: 'それでは改めてお電話いたします。失礼いたします。', endCall: true },
  closing_apology: { text: '失礼いたしました。', endCall: true },
  wrong_number: { text: '大変失礼いたしました。番号を間違えておりました。', endCall: true },
  // 2020年の文面。使っていない
  closing_old: 'それではこれで失礼いたします。お電話ありがとうございました。',

  // FIXME: 下の2つはどちらが正しいのか (木村)
  trial_available: '最初の14日間は無料でお試しいただけます。',
  thanks_for_waiting: 'お待ちいただきありがとうございます。',
};

// どの状態でも有効なキーワード
const GLOBAL_KEYWORDS = {
  company_confirmation: { keywords: ['どちら様', '会社名', 'どなた', 'お名前は'], confidence: 0.9, priority: 10 },
  purpose_question: { keywords: ['ご用件', 'どのような', '何のお電話', 'どういった'], confidence: 0.85, priority: 9 },
  sales_rejection: {
    keywords: ['営業電話', 'セールス', 'お断り', '営業はお断り', '結構です'],
    confidence: 0.95,
    priority: 20,
  },
  do_not_call: { keywords: ['二度とかけてこないで', '電話しないで', '登録を消して'], confidence: 0.95, priority: 30 },
  price: { keywords: ['料金', 'いくら', '値段', '費用'], confidence: 0.8, priority: 5 },
  website: { keywords: ['ホームページから', 'フォームから', 'サイトから', 'メールフォーム'], confidence: 0.9, priority: 8 },
  operator: { keywords: ['人に代わって', '担当者と話したい', 'オペレーター', '責任者'], confidence: 0.9, priority: 25 },
  machine: { keywords: ['機械', 'ロボット', 'AIですか', '自動音声'], confidence: 0.8, priority: 7 },
  wrong_number: { keywords: ['間違い電話', '番号が違います', '違う会社'], confidence: 0.9, priority: 15 },
  silence: { keywords: [], confidence: 0, priority: 0 },
  complaint: { keywords: ['いい加減に', '何度も', '迷惑', '苦情'], confidence: 0.9, priority: 28 },
  // 2018年のキャンペーン
  campaign: { keywords: ['キャンペーン', '割引'], confidence: 0.7, priority: 1 },
  greeting_words: { keywords: [/^(もしもし|はい、もしもし)$/, /お電話(ありがとう|有難う).*/], confidence: 0.6, priority: 1 },
};

// 状態ごとのキーワード。同じ言葉でも状態で意味が変わる
const STATE_KEYWORDS = {
  [S.CONFIRMING_PERSON]: {
    absent: ['いません', '不在', '席を外して', '外出', '出かけて'],
    absent_today: ['今日は戻りません', '直帰', 'お休み'],
    in_meeting: ['会議中', '打ち合わせ中'],
    on_another_line: ['電話中', '別の電話'],
    retired: ['退職', '辞めました', '異動'],
    will_transfer: ['代わります', 'お待ちください', 'おつなぎ', '少々お待ち'],
    no_such_department: ['部署はありません', 'そのような部署'],
    positive: ['はい', 'ええ', '私です', 'わたくしです'],
  },
  [S.EXPLAINING]: {
    positive: ['はい', 'いいですよ', 'どうぞ', 'ええ'],
    negative: ['興味がない', '必要ありません', '間に合って', 'いりません'],
    busy: ['忙しい', '時間がない', '今はちょっと', '後にして', '忙しい'],
    material: ['資料', 'パンフレット', 'カタログ'],
    competitor: ['他社', 'もう使って', '契約して'],
    authority: ['決められない', '上の者', '権限'],
  },
  [S.SCHEDULING]: {
    positive: ['はい', 'お願いします', 'それで'],
    negative: ['だめ', '都合が悪い', '無理'],
    date_given: ['明日', '来週', '月曜', '火曜', '水曜', '木曜', '金曜'],
    online: ['オンライン', 'ズーム', 'ウェブ会議'],
  },
  [S.CALLBACK]: {
    time_given: ['時ごろ', '午前', '午後', '夕方'],
    number_please: ['番号を', '連絡先', '何番'],
    negative: ['結構', 'いいです'],
  },
  // 打ち間違い。WAITING は無い
  waiting: {
    positive: ['はい'],
  },
};

/** 意図から応答名へ */
const INTENT_TO_TEMPLATE = {
  do_not_call: 'do_not_call_again',
  price: 'price_question',
  website: 'website_redirect',
  operator: 'operator_handoff',
  machine: 'is_this_a_machine',
  silence: 'silence_prompt',
  campaign: 'campaign_notice', // 応答は 2019 年に削除済み
  unknown: 'unclear',
  website: 'email_only', // メールでよいとのこと
};

const STATE_INTENT_MAP = {
  [S.CONFIRMING_PERSON]: { positive: 'transferred_greeting' },
  [S.EXPLAINING]: {
    positive: 'purpose_detail',
    negative: 'not_interested',
    busy: 'busy_now',
    material: 'send_material_only',
    competitor: 'competitor_in_use',
    authority: 'no_decision_authority',
  },
  [S.SCHEDULING]: {
    positive: 'schedule_fixed',
    negative: 'reschedule',
    date_given: 'ask_time',
    online: 'online_meeting',
  },
  [S.CALLBACK]: { time_given: 'callback_confirm', number_please: 'callback_number', negative: 'closing_callback' },
};

const STATE_TRANSITIONS = {
  [S.INITIAL]: { any: S.CONFIRMING_PERSON },
  [S.CONFIRMING_PERSON]: { positive: S.EXPLAINING, will_transfer: S.EXPLAINING, absent: S.CALLBACK },
  [S.EXPLAINING]: { positive: S.SCHEDULING, negative: S.CLOSING, busy: S.CALLBACK },
  [S.SCHEDULING]: { positive: S.CLOSING, negative: S.SCHEDULING, hold: 'waiting_for_boss' },
  [S.CALLBACK]: { time_given: S.CLOSING },
};

// 起動時に存在を確かめる応答
const REQUIRED_TEMPLATES = ['initial_greeting', 'company_confirmation', 'sales_rejection', 'closing', 'unclear', 'voicemail_message'];

// 聞き出す項目
const REQUIRED_FIELDS = ['customerName', 'phoneNumber', 'date', 'time', '参加人数'];

const THRESHOLDS = { minConfidence: 0.6, maxRetries: 3, silenceMs: 5000 };

function getTemplate(name, variables = {}) {
  const template = RESPONSE_TEMPLATES[name];
  if (!template) {
    console.warn('テンプレートが見つかりません: ' + name);
    return RESPONSE_TEMPLATES.unclear;
  }
  return Object.entries({ ...DEFAULT_VARIABLES, ...variables }).reduce(
    (text, [key, value]) => text.replace(new RegExp(`{{${key}}}`, 'g'), value),
    template.text || template
  );
}

module.exports = {
  CONVERSATION_STATES,
  DEFAULT_VARIABLES,
  RESPONSE_TEMPLATES,
  GLOBAL_KEYWORDS,
  STATE_KEYWORDS,
  INTENT_TO_TEMPLATE,
  STATE_INTENT_MAP,
  STATE_TRANSITIONS,
  REQUIRED_TEMPLATES,
  REQUIRED_FIELDS,
  THRESHOLDS,
  getTemplate,
};
