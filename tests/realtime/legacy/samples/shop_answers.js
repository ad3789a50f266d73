// keyword bot of the shop, 2017-2024. First match wins!
const rules = [
  { keywords: ['hello', 'hi', 'good morning'], response: 'Hello, this is {shop}. What can I do for you?' },
  { keywords: ['opening', 'open', 'hours'], response: 'We are open from 9 to 17 on weekdays.' },
  { keywords: ['open', 'sunday', 'weekend'], response: 'We are closed at weekends.' },
  // people ask this ten times a day
  { keywords: ['where', 'address', 'parking'], response: 'You find us at 3 Market Square. Parking is free in the yard.' },
  { keywords: ['delivery', 'deliver', 'ship'], response: 'Delivery takes 2 to 4 working days and is free from 50 euros.' },
  { keywords: ['return', 'refund', 'send back'], response: 'You can return anything within 30 days.', verbatim: true },
  { keywords: ['status', 'my order', 'where is my'], response: 'Please tell me your order number, %order_number% is what it looks like.' },
  { keywords: ['complaint', 'manager', 'angry'], response: 'I am sorry. I will get a colleague for you.', action: 'escalate_to_human' },
  { keywords: [/^(gift card|voucher)$/], response: 'Gift cards are available from 10 euros.' },
  { keywords: [/order\s*#?\d+/], response: 'Thank you, I am looking it up.' },
  { keywords: ['hours'], response: 'We are open from 9 to 17 on weekdays.' }, // again, for the newer bot
  { keywords: ['christmas'], response: 'We are closed from December 24 to January 2.', enabled: false },
  { keywords: [], response: "Sorry, I don't understand. Could you say that differently?" }, // fallback
  { keywords: ['bye', 'thanks, bye', 'goodbye'], response: 'Goodbye, and thank you for calling {shop}!', end: true },
];

rules.forEach((rule) => Object.freeze(rule));

module.exports = rules;
